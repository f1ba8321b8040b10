package caddymod

import (
	"cmp"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// logMissing warns of configured paths that do not exist. They may come into being
// later.
func (h *Handler) logMissing() {
	for _, path := range append([]string{h.Root, h.Script, h.Dir}, h.Watch...) {
		if !isStatic(path) {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			h.logger.Warn("configured path cannot be found", zap.Error(err))
		}
	}
}

// observeCall makes the running call visible: placeholders, stderr lines, and
// its end.
func (x *exchange) observeCall() {
	x.repl.Map(x.placeholder)
	x.parts.Store(2)
	stderr := x.lease.Stderr()
	quick := quickness.add(func() {
		x.output.slowDown()
		go x.logStderr(stderr) // until nobody holds the other end
	})
	if x.output.hasty() {
		x.output.slowDown()
	}
	x.lease.AfterEnd(func() {
		x.ran = x.took()
		x.output.ended()
		if quick.stop() {
			x.endStderr(stderr)
		}
		x.part()
	})
}

// quickness has calls that have just begun. Most scripts end within that delay and say
// nothing on stderr, which the pipe would hold meanwhile; for others their stderr is read,
// and their time limit is kept.
var quickness = &rota{delay: 100 * time.Millisecond}

// part is called when the exchange is over, and when the executor is. The last one logs.
func (x *exchange) part() {
	if x.parts.Add(-1) == 0 {
		x.logEnd()
	}
}

// endStderr reads what an executor that has ended has left in its stderr, and what comes
// from a process that it has left behind.
func (x *exchange) endStderr(pipe *prefork.Unread) {
	if pipe.Over() {
		_ = pipe.Close()
		return
	}
	go x.logStderr(pipe) // until nobody holds the other end
}

// identify learns the request's id, for log lines; the access log has it too then.
// It is not safe for other goroutines.
func (x *exchange) identify() { x.requestID, _ = x.repl.GetString("http.request.uuid") }

// logNoCall logs that the script could not be called, unless the client has left.
func (x *exchange) logNoCall(err error) {
	if !hasLeft(err) {
		x.logger.Error("script cannot be called",
			zap.String("script", x.script.File), zap.String("request_id", x.requestID), zap.Error(err))
	}
}

// placeholder provides {http.prefork_cgi.*}.
func (x *exchange) placeholder(key string) (any, bool) {
	switch key {
	case "http.prefork_cgi.mode":
		return string(x.lease.Info().Mode), true
	case "http.prefork_cgi.pid":
		return x.lease.PID(), true
	case "http.prefork_cgi.queue_ms":
		return milliseconds(x.lease.Queued()), true
	case "http.prefork_cgi.duration_ms":
		return milliseconds(x.took()), true
	case "http.prefork_cgi.exit_status":
		status, ok := x.status()
		if !ok {
			return "", true
		}
		return status.String(), true
	case "http.prefork_cgi.cpu_user_ms", "http.prefork_cgi.cpu_system_ms", "http.prefork_cgi.peak_memory":
		return x.usage(strings.TrimPrefix(key, "http.prefork_cgi.")), true
	}
	return nil, false
}

// usage returns one number of what the executor has used; empty where nobody knows.
func (x *exchange) usage(name string) any {
	status, _ := x.status()
	switch used := status.Usage; {
	case used == nil:
		return ""
	case name == "cpu_user_ms":
		return milliseconds(used.User)
	case name == "cpu_system_ms":
		return milliseconds(used.System)
	case used.PeakMemory < 0:
		return ""
	default:
		return used.PeakMemory
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// took returns how long the call has taken, or is taking.
func (x *exchange) took() time.Duration { return time.Since(x.began) }

// reports reports whether there is an access log: it asks for the exit status.
func (x *exchange) reports() bool {
	server := x.server()
	return server != nil && server.Logs != nil
}

// status returns how the executor has ended, if it has.
func (x *exchange) status() (prefork.Status, bool) {
	select {
	case <-x.lease.Finished():
		return x.lease.Status(), true
	default:
		return prefork.Status{}, false
	}
}

var lineBuffers = sync.Pool{New: func() any { return new([4096]byte) }}

// logStderr logs what a script writes to its standard error, line by line. A
// script that writes faster than lines can be logged waits; nothing is dropped
// and nothing piles up. pipe is taken over.
func (x *exchange) logStderr(pipe *prefork.Unread) {
	defer func() { _ = pipe.Close() }()
	lines := prefork.LineWriter{Emit: func(line string) {
		x.stderr.Warn("script stderr", append(x.logFields(), zap.String("line", line))...)
	}}
	buffer := lineBuffers.Get().(*[4096]byte)
	defer lineBuffers.Put(buffer)
	_, _ = io.CopyBuffer(&lines, struct{ io.Reader }{pipe.File()}, buffer[:])
	lines.Flush()
}

// logEnd logs how the executor has ended, and how the request: loudly, unless
// all is well or it was the client.
func (x *exchange) logEnd() {
	status := x.lease.Status()
	countCall(status, x.failure, x.ran)
	level := zapcore.DebugLevel
	reason := cmp.Or(x.failure, x.output.reason()) // it may have gone on after its response, and for too long
	switch {
	case x.failure != nil:
		// Below that it is the client's fault, as Caddy has it.
		if failed, _, _ := statusOf(x.failure); failed >= http.StatusInternalServerError {
			level = zapcore.ErrorLevel
		}
	case reason != nil || status.Crashed() || status.Code != 0:
		level = zapcore.WarnLevel
	}
	entry := x.logger.Check(level, "script has ended")
	if entry == nil {
		return
	}
	fields := append(x.logFields(),
		zap.Stringer("exit_status", status),
		zap.Duration("duration", x.ran),
		zap.Duration("queued", x.lease.Queued()))
	fields = append(fields, usageFields(status.Usage)...)
	if reason != nil {
		fields = append(fields, zap.Error(reason), zap.Bool("broken_off", x.failure != nil && x.sent))
	}
	entry.Write(fields...)
}

// usageFields are what an execution has used, if anybody has measured it.
func usageFields(used *prefork.Usage) []zap.Field {
	if used == nil {
		return nil
	}
	fields := []zap.Field{zap.Duration("cpu_user", used.User), zap.Duration("cpu_system", used.System)}
	if used.PeakMemory >= 0 {
		fields = append(fields, zap.Int64("peak_memory", used.PeakMemory))
	}
	return fields
}

// logFields name the call in log lines.
func (x *exchange) logFields() []zap.Field {
	return []zap.Field{
		zap.String("script", x.script.File),
		zap.Int("pid", x.lease.PID()),
		zap.String("request_id", x.requestID),
	}
}

// logAccess adds to the access log line of the request, if there will be one.
func (x *exchange) logAccess() {
	if !x.reports() {
		return
	}
	extra, ok := x.r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields)
	if !ok {
		return
	}
	fields := []zap.Field{
		zap.String("script", x.script.File),
		zap.String("mode", string(x.lease.Info().Mode)),
		zap.Duration("queued", x.lease.Queued()),
	}
	if status, ok := x.status(); ok {
		fields = append(fields, zap.Stringer("exit_status", status))
		fields = append(fields, usageFields(status.Usage)...)
	}
	extra.Set(zap.Dict("prefork_cgi", fields...))
}
