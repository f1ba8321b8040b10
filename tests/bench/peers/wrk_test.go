package main

import (
	"strings"
	"testing"
	"time"
)

// As wrk 4.1.0 prints it, blanks at line ends included.
const wrkOutput = `Running 2s test @ http://127.0.0.1:8080/
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   300.05ms   11.97ms   1.07s    66.67%
    Req/Sec    12.00      0.00     2.00    100.00%
  Latency Distribution
     50%  912.00us
     75%    1.50ms
     90%   20.00ms
     99%    1.07s 
  31 requests in 2.01s, 3.20KB read
  Socket errors: connect 0, read 2, write 0, timeout 1
  Non-2xx or 3xx responses: 4
Requests/sec:     15.42
Transfer/sec:      2.98KB
`

func TestWrkIsUnderstood(t *testing.T) {
	got, err := parseWrk(wrkOutput)
	want := load{requests: 31, perSecond: 15.42, p50: 912 * time.Microsecond, p99: 1070 * time.Millisecond, errors: 7}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, line := range []string{"  31 requests", "     50%", "     99%", "Requests/sec"} {
		if _, err := parseWrk(strings.Replace(wrkOutput, line, "", 1)); err == nil {
			t.Errorf("without %q there is no error", line)
		}
	}
}
