package pool

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// BenchmarkLease acquires, calls and returns a lease on a process that is nothing but
// channels: with no look at the sources, and with one at so many of them.
func BenchmarkLease(b *testing.B) {
	for _, files := range []int{0, 1, 40, 360} {
		b.Run("sources="+strconv.Itoa(files), func(b *testing.B) {
			registry, g, spec := benchRegistry(b, files)
			b.ReportAllocs()
			for b.Loop() {
				useLease(b, registry, g, spec)
			}
		})
	}
}

// BenchmarkLeaseParallel is the same with no look, by several requests at once.
func BenchmarkLeaseParallel(b *testing.B) {
	registry, g, spec := benchRegistry(b, 0)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			useLease(b, registry, g, spec)
		}
	})
}

// benchRegistry returns a registry, and a spec with so many sources; with none it is
// told not to look.
func benchRegistry(b *testing.B, files int) (*Registry, *Generation, Spec) {
	b.Helper()
	folder := b.TempDir()
	var paths []string
	for i := range files {
		path := filepath.Join(folder, strconv.Itoa(i))
		if err := os.WriteFile(path, []byte("source"), 0o644); err != nil {
			b.Fatal(err)
		}
		paths = append(paths, path)
	}
	limits := Limits{MaxConcurrent: 64, Reload: Off}
	script := filepath.Join(folder, "absent")
	if files > 0 {
		limits.Reload, script, paths = Strict, paths[0], paths[1:]
	}
	time.Sleep(2 * fineTick) // until no source is racy
	registry := NewRegistry(&fake{})
	b.Cleanup(func() { registry.Close(b.Context()) })
	spec := specFor(script, func(s *Spec) { s.Limits, s.Sources = limits, paths })
	g := &Generation{Covers: func(Spec) (Spec, bool) { return spec, true }}
	registry.Enter(g)
	useLease(b, registry, g, spec) // starts it
	return registry, g, spec
}

// useLease is the way of a request.
func useLease(b *testing.B, registry *Registry, g *Generation, spec Spec) {
	b.Helper()
	lease, err := registry.Acquire(b.Context(), g, spec)
	if err != nil {
		b.Error(err)
		return
	}
	if err := lease.Call(b.Context(), prefork.Request{}); err != nil {
		b.Error(err)
		return
	}
	exit(lease, 0)
	<-lease.Finished()
}
