package bench

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// BenchmarkServeHTTP takes requests through the whole of Caddy's handlers in this
// process, without a network, to a perl script and back. go-µs/op is the CPU time of
// this process alone: what a request costs beside the script.
func BenchmarkServeHTTP(b *testing.B) {
	handler := load(b, map[string]string{
		"explicit.pl":  site.Perl(`print "hello";`),
		"automatic.pl": "#!/usr/bin/perl\nuse strict;\nprint \"Content-Type: text/plain\\n\\nhello\";\n",
		"cold.cgi":     site.Shell("echo hello"),
	})
	for _, script := range []string{"respond", "explicit.pl", "automatic.pl", "cold.cgi"} {
		b.Run(script, func(b *testing.B) {
			ask(b, handler, script) // starts it
			b.ReportAllocs()
			before := ownCPU(b)
			n := 0
			for b.Loop() {
				ask(b, handler, script)
				n++
			}
			b.ReportMetric(float64((ownCPU(b)-before).Microseconds())/float64(n), "go-µs/op")
		})
	}
}

// ask makes a request.
func ask(b *testing.B, handler http.Handler, script string) {
	b.Helper()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(b.Context(), http.MethodGet, "http://127.0.0.1/"+script, nil))
	if w.Code != http.StatusOK || w.Body.Len() < 5 {
		b.Fatalf("%s: %d %q", script, w.Code, w.Body)
	}
}

// load loads a configuration for scripts into this process, and returns its server.
func load(b *testing.B, scripts map[string]string) http.Handler {
	b.Helper()
	s := site.Prepare(b, "", scripts) // looks for processes at the end
	text := `{
	admin off
	persist_config off
	log {
		output discard
	}
}
http://` + s.Addr + ` {
	bind 127.0.0.1
	root * ` + s.Folder + `
	respond /respond "hello"
	prefork_cgi
}
`
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
	site.Must(b, err)
	site.Must(b, caddy.Load(json.RawMessage(config), true))
	b.Cleanup(func() { site.Must(b, caddy.Stop()) })
	app, err := caddy.ActiveContext().App("http")
	site.Must(b, err)
	return app.(*caddyhttp.App).Servers["srv0"]
}

// ownCPU returns the CPU time of this process without its children.
func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	site.Must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
