package pool

import (
	"reflect"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

func TestEachInputMakesTheIdent(t *testing.T) {
	spec := func(change func(*Spec)) Spec {
		s := Spec{Command: prefork.Command{
			Script: "/srv/a.pl", Interpreter: []string{"perl", "-w"}, Args: []string{"a", "b"}, Dir: "/srv",
			Env: []string{"A=b", "C=d"}, Preload: []string{"JSON::PP"},
		}, Identity: []string{"blue"}}
		change(&s)
		return s
	}
	same := spec(func(*Spec) {})
	for name, change := range map[string]func(*Spec){
		"script":            func(s *Spec) { s.Command.Script = "/srv/b.pl" },
		"interpreter":       func(s *Spec) { s.Command.Interpreter = []string{"perl -w"} },
		"args":              func(s *Spec) { s.Command.Args = []string{"ab"} },
		"dir":               func(s *Spec) { s.Command.Dir = "/" },
		"warm":              func(s *Spec) { s.Command.Warm = prefork.WarmOff },
		"library installed": func(s *Spec) { s.Command.Installed = true },
		"reuse":             func(s *Spec) { s.Command.Reuse = true },
		"fork_safety":       func(s *Spec) { s.Command.ForkSafety = prefork.SafetyCold },
		"preload":           func(s *Spec) { s.Command.Preload = nil },
		"env":               func(s *Spec) { s.Command.Env = []string{"A=b", "C=e"} },
		"identity":          func(s *Spec) { s.Identity = []string{"green"} },
	} {
		other := spec(change)
		if other.Ident() == same.Ident() {
			t.Errorf("%s is not part of the ident", name)
		}
		for i, input := range other.Inputs() {
			if differs := !reflect.DeepEqual(input, same.Inputs()[i]); differs != (input.Name == name) {
				t.Errorf("%s: the input %s differs: %v", name, input.Name, differs)
			}
		}
	}
	for name, change := range map[string]func(*Spec){
		"the order of variables": func(s *Spec) { s.Command.Env = []string{"C=d", "A=b"} },
		"limits":                 func(s *Spec) { s.Limits.MaxConcurrent = 9 },
		"sources":                func(s *Spec) { s.Sources = []string{"/srv/lib"} },
	} {
		if spec(change).Ident() != same.Ident() {
			t.Errorf("%s is part of the ident", name)
		}
	}
	id := func(s *Spec) { s.ID = "one" }
	if spec(func(s *Spec) { id(s); s.Command.Dir = "/" }).Ident() != spec(id).Ident() || spec(id).Ident() == same.Ident() {
		t.Error("an id does not stand for the settings")
	}
}

func BenchmarkIdent(b *testing.B) {
	s := Spec{Command: prefork.Command{
		Script: "/srv/a.pl", Dir: "/srv",
		Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "GATEWAY_INTERFACE=CGI/1.1", "SERVER_SOFTWARE=Caddy"},
	}}
	b.ReportAllocs()
	for b.Loop() {
		s.Ident()
	}
}
