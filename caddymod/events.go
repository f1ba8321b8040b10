package caddymod

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/prefork-cgi/prefork-cgi/pool"
)

// observe turns events of pools into log lines, and counts them. It is called for the newest
// configuration only, so lines go where that one says.
func (a *App) observe(e pool.Event) {
	countEvent(e)
	level, message := zapcore.InfoLevel, ""
	fields := []zap.Field{zap.String("script", e.Script), zap.Stringer("pool", e.Ident)}
	switch e.Kind {
	case pool.Launched:
		message = "script is ready"
		fields = append(fields, zap.String("mode", string(e.Info.Mode)), zap.String("why", e.Info.Why), zap.Duration("took", e.Took))
		a.logRisks(e)
		if e.Info.Note != "" {
			level = zapcore.WarnLevel
			fields = append(fields, zap.String("note", e.Info.Note))
		}
	case pool.LaunchFailed:
		level, message = zapcore.ErrorLevel, "script cannot be started"
		fields = append(fields, zap.Error(e.Err), zap.Duration("took", e.Took),
			zap.Duration("retry_in", e.RetryIn), zap.Bool("old_server_kept", e.Kept))
	case pool.CrashLoop:
		level, message = zapcore.ErrorLevel, "script keeps crashing"
		fields = append(fields, zap.Error(e.Err), zap.Duration("retry_in", e.RetryIn))
	case pool.NotMade:
		level, message = zapcore.ErrorLevel, "executor cannot be made"
		fields = append(fields, zap.Error(e.Err))
	case pool.Recycled:
		level, message = zapcore.DebugLevel, "server takes no more requests"
	case pool.Exited:
		level, message = levelOfEnd(e), "server has ended"
	case pool.Wrote:
		level, message = zapcore.WarnLevel, "script stderr"
		fields = append(fields, zap.String("phase", "setup"), zap.String("line", e.Line))
	case pool.Noted:
		level, message = zapcore.WarnLevel, "script library"
		fields = append(fields, zap.String("note", e.Line))
	case pool.WatchFailed:
		level, message = zapcore.WarnLevel, "source files cannot be watched; changes are seen when a request comes"
		fields = append(fields, zap.Error(e.Err))
	}
	if e.Info.PID != 0 {
		fields = append(fields, zap.Int("pid", e.Info.PID))
	}
	if e.Reason != "" {
		fields = append(fields, zap.String("reason", string(e.Reason)))
	}
	if entry := a.logger.Check(level, message); entry != nil {
		entry.Write(fields...)
	}
}

// logRisks warns of each thing that setup has left open.
func (a *App) logRisks(e pool.Event) {
	for _, risk := range e.Info.Risks {
		fields := []zap.Field{
			zap.String("script", e.Script), zap.Stringer("pool", e.Ident), zap.Int("pid", e.Info.PID),
			zap.String("kind", string(risk.Kind)), zap.Stringer("risk", risk),
		}
		if risk.FD != 0 {
			fields = append(fields, zap.Int("descriptor", risk.FD), zap.String("target", risk.Target))
		}
		if risk.Place != "" {
			fields = append(fields, zap.String("opened_at", risk.Place))
		}
		a.logger.Warn("setup has left open what executors share", fields...)
	}
}

// levelOfEnd is higher the less an end was expected.
func levelOfEnd(e pool.Event) zapcore.Level {
	switch {
	case !e.Info.Mode.Warm(): // there was no server
		return zapcore.DebugLevel
	case e.Reason == pool.Ended, e.Reason == pool.Crashed:
		return zapcore.WarnLevel
	}
	return zapcore.InfoLevel
}
