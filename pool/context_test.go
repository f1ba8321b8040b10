package pool

import (
	"context"
	"testing"
	"time"
)

// contextFor returns a context that ends after d, or not before the test for 0.
func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	if d == 0 {
		return context.WithCancel(t.Context())
	}
	return context.WithTimeout(t.Context(), d)
}
