package caddymod

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/prefork-cgi/prefork-cgi/pool"
)

// TestDefaultsAreWhatTheCommentsSay reads "Default: `x`" from the comment of each
// field, which is the user's documentation, and compares it with what is done.
func TestDefaultsAreWhatTheCommentsSay(t *testing.T) {
	inPool := pool.Limits{}.WithDefaults()
	done := map[string]string{
		"MaxConcurrent": fmt.Sprint(inPool.MaxConcurrent),
		"V1":            fmt.Sprint(inPool.ParkV1),
		"MaxRequests":   fmt.Sprint(inPool.MaxRequests),
		"MaxAge":        inPool.MaxAge.String(),
		"MaxGrowth":     fmt.Sprint(inPool.MaxGrowth),
		"QueueSize":     fmt.Sprint(inPool.QueueSize),
		"QueueWait":     inPool.QueueWait.String(),
		"StreamAfter":   inPool.StreamAfter.String(),
		"Overload":      fmt.Sprint(builtin.Overload),
		"StartTimeout":  inPool.StartTimeout.String(),
		"MaxExtension":  time.Duration(builtin.MaxExtension).String(),
		"StopSignal":    builtin.StopSignal,
		"Timeout":       time.Duration(builtin.Timeout).String(),
		"IdleTimeout":   inPool.IdleTimeout.String(),
		"GracePeriod":   inPool.Grace.String(),
		"Reload":        string(inPool.Reload),
		"SpoolLimit":    fmt.Sprint(builtin.SpoolLimit),
		"RequestBody":   builtin.RequestBody,
		"QueryArgs":     builtin.QueryArgs,
		"Root":          defaultRoot,
		"Extensions":    strings.Join(defaultExtensions, " "),
		"Index":         strings.Join(defaultIndex, " "),
		"Symlinks":      "inside",
	}
	said := commentedDefaults(t, "limits.go", "handler.go")
	for field, value := range done {
		if said[field] != value {
			t.Errorf("%s is by default %q; its comment says %q", field, value, said[field])
		}
		delete(said, field)
	}
	for field, value := range said {
		t.Errorf("the comment of %s says %q, which no test knows", field, value)
	}
}

// commentedDefaults returns what the comments of exported fields say in
// backquotes after "Default:", durations in Go's way of writing them.
func commentedDefaults(t *testing.T, files ...string) map[string]string {
	t.Helper()
	pattern := regexp.MustCompile("Default:\\s+`([^`]*)`")
	said := map[string]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if field, ok := n.(*ast.Field); ok && field.Doc != nil && len(field.Names) == 1 {
				if m := pattern.FindStringSubmatch(strings.ReplaceAll(field.Doc.Text(), "\n", " ")); m != nil {
					if d, err := time.ParseDuration(m[1]); err == nil {
						m[1] = d.String()
					}
					said[field.Names[0].Name] = m[1]
				}
			}
			return true
		})
	}
	return said
}

func TestEveryLimitIsInheritedFromTheDefaults(t *testing.T) {
	all := Limits{
		MaxConcurrent: 1, QueueSize: 2, QueueWait: 3, StartTimeout: 4, Timeout: 5,
		IdleTimeout: 6, GracePeriod: 7, Reload: "off", SpoolLimit: 8, ResponseSpool: 19,
		Parked: Parked{1, 2, true}, MaxRequests: 9, MaxAge: 10, MaxGrowth: 11,
		Streams: 12, StreamAfter: 13, Overload: 503,
		FirstByteTimeout: 14, SilenceTimeout: 15, RunTimeout: 16, BodyTimeout: 17, MaxExtension: 18, StopSignal: "INT",
		RequestBody: "stream", QueryArgs: "on",
	}
	v := reflect.ValueOf(all)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Fatalf("this test does not know %s", v.Type().Field(i).Name)
		}
	}
	if got := (Limits{}).or(all); got != all {
		t.Errorf("nothing set: %+v", got)
	}
	if got := all.or(Limits{Timeout: caddy.Duration(time.Hour)}); got != all {
		t.Errorf("all set: %+v", got)
	}
}
