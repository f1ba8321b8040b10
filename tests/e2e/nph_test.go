package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// Scripts that write what they write, cold and warm.
func printers(names map[string]string) map[string]string {
	files := map[string]string{}
	for name, text := range names {
		files[name+".cgi"] = "#!/bin/sh\nprintf '" + text + "'\n"
		files[name+".pl"] = "#!/usr/bin/perl\nprintf \"" + text + "\";\n"
		files[name+".py"] = "#!/usr/bin/python3\nimport sys\nsys.stdout.write('" + text + "')\n"
	}
	return files
}

func TestNPHIsChosenByNameOrByOption(t *testing.T) {
	t.Parallel()
	whole := `HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nX-Raw: yes\r\n\r\nraw`
	files := printers(map[string]string{"nph-one": whole, "legacy-one": whole, "one": whole, "plain": `Content-Type: text/plain\n\nraw`})
	s := site.Prepare(t, "", files)
	for i, c := range []struct {
		nph  string
		want map[string]int
	}{
		{"", map[string]int{"nph-one": 201, "legacy-one": 502, "one": 502, "plain": 200}},
		{"nph legacy-*.cgi legacy-*.p[ly]", map[string]int{"nph-one": 201, "legacy-one": 201, "one": 502, "plain": 200}},
		{"nph on", map[string]int{"nph-one": 201, "legacy-one": 201, "one": 201, "plain": 502}},
		{"nph off", map[string]int{"nph-one": 502, "legacy-one": 502, "one": 502, "plain": 200}},
	} {
		s.Config = "prefork_cgi {\n" + c.nph + "\n}"
		if i == 0 {
			s.Start()
		} else {
			site.Must(t, s.Reload())
		}
		for name, status := range c.want {
			for _, extension := range []string{".cgi", ".pl", ".py"} {
				r := s.Get("/" + name + extension)
				if r.Err != nil || r.Status != status || status < 300 && r.Body != "raw" || status == 201 && r.Header.Get("X-Raw") != "yes" {
					t.Errorf("%q, %s%s: %d %v %q, %v; want %d", c.nph, name, extension, r.Status, r.Header, r.Body, r.Err, status)
				}
			}
		}
	}
}

func TestNPHBodyInChunks(t *testing.T) {
	t.Parallel()
	head := `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\nContent-Type: text/plain\r\n\r\n`
	files := printers(map[string]string{
		"nph-whole":   head + `4\r\nbody\r\n0\r\nX-Sum: 4\r\n\r\n`,
		"nph-part":    head + `4\r\nbody\r\n`,
		"nph-bad":     head + `4\r\nbody is longer\r\n0\r\n\r\n`,
		"nph-nothing": `HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n`,
	})
	s := site.Serve(t, "prefork_cgi", files)
	for script := range files {
		response := open(t, s, "/"+script)
		text, err := io.ReadAll(response.Body)
		switch name, _, _ := strings.Cut(script, "."); name {
		case "nph-whole":
			if err != nil || string(text) != "body" || response.Trailer.Get("X-Sum") != "4" || response.ContentLength >= 0 {
				t.Errorf("%s: %v %q %v", script, err, text, response.Trailer)
			}
		case "nph-nothing":
			if err != nil || response.StatusCode != http.StatusNotModified {
				t.Errorf("%s: %v", script, err)
			}
		default:
			if err == nil {
				t.Errorf("%s looks complete: %q", script, text)
			}
		}
	}
	s.AwaitEntry("script has ended", func(e map[string]any) bool {
		reason, _ := e["error"].(string)
		return strings.Contains(reason, "before the last chunk") && e["broken_off"] == true
	})
}

// informed are scripts that write informational responses before their own.
var informed = printers(map[string]string{
	"hints":     `Status: 103\nLink: </a.css>\n\nStatus: 103 Early Hints\nLink: </b.js>\n\nContent-Type: text/plain\n\nok`,
	"nph-hints": `HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 103\r\nLink: </b.js>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nok`,
})

func TestInformationalResponsesAreSentAsTheyCome(t *testing.T) {
	t.Parallel()
	s := site.Prepare(t, "encode gzip\nprefork_cgi", informed)
	s.TLS = true
	s.Start()
	clients := map[string]*http.Transport{
		"HTTP/1.1": {TLSClientConfig: s.Trust(), DisableKeepAlives: true},
		"HTTP/2.0": {TLSClientConfig: s.Trust(), ForceAttemptHTTP2: true},
	}
	for protocol, transport := range clients {
		for script := range informed {
			var early []string
			trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
				early = append(early, fmt.Sprintf("%d %s", code, header.Get("Link")))
				return nil
			}}
			r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, "https://"+s.Addr+"/"+script, nil)
			site.Must(t, err)
			response, err := transport.RoundTrip(r)
			site.Must(t, err)
			text, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || string(text) != "ok" || response.Header.Get("Link") != "" || response.Proto != protocol {
				t.Errorf("%s, %s: %s %v %q, %v", protocol, script, response.Proto, response.Header, text, err)
			}
			if got := strings.Join(early, " "); got != "103 </a.css> 103 </b.js>" {
				t.Errorf("%s, %s: informational responses are %s", protocol, script, got)
			}
		}
		transport.CloseIdleConnections()
	}
}

// One of HTTP/1.0 would take them for the response.
func TestClientOfOldHTTPGetsNoInformationalResponse(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi", informed)
	for script := range informed {
		conn, err := net.Dial("tcp", s.Addr)
		site.Must(t, err)
		fmt.Fprintf(conn, "GET /%s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", script)
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || line != "HTTP/1.0 200 OK\r\n" {
			t.Errorf("%s: %q, %v", script, line, err)
		}
		conn.Close()
	}
}
