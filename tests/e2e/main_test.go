// Package e2e tests what users see, with a real Caddy and real scripts.
package e2e

import (
	"context"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

func TestMain(m *testing.M) { site.Main(m) }

// background calls f again and again until the returned function is called,
// which waits for it.
func background(f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			f(ctx)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
