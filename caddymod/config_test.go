package caddymod

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/standard"

	"github.com/prefork-cgi/prefork-cgi/pool"
	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// validate provisions a Caddyfile as `caddy validate` does.
func validate(t *testing.T, caddyfile string) error {
	t.Helper()
	text, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte("http://localhost:8080 {\n"+caddyfile+"\n}"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var config caddy.Config
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	return caddy.Validate(&config)
}

func TestContradictionsAreRefused(t *testing.T) {
	for config, want := range map[string]string{
		"script /a\nroot /b":          "exclude each other",
		"script /a\nextensions .x":    "exclude each other",
		"script_name /a":              "needs script",
		"script /a\nscript_name a":    "begin with a slash",
		"script /a\nscript_name /a/":  "not end with one",
		"symlinks maybe":              "inside or follow",
		"index a/b.cgi":               "not the name of a file",
		"extensions cgi":              "does not begin with a dot",
		"interpreter pl perl":         "does not begin with a dot",
		"env A=B c":                   "cannot be the name",
		"env PREFORK_INTERP x":        "this module alone",
		"pass_env PREFORK_INTERP":     "this module alone",
		"identity env PREFORK_INTERP": "this module alone",
		"watch *.pm":                  "a folder stands for all",
		"watch {env.HOME}/lib":        "a folder stands for all",
		"reload often":                "strict, stale or off",
		"warm often":                  "auto, explicit or off",
		"library other":               "bundled or installed",
		"fork_safety maybe":           "warn, cold or refuse",
		"preload a,b":                 "not the name of a module",
		"grace_period off":            "cannot be off",
		"request_body off":            "spool or stream",
		"query_args maybe":            "on or off",
		"nph on a.cgi":                "excludes all others",
		"nph a.cgi off":               "excludes all others",
		"nph sub/a.cgi":               "not a pattern for the name of a file",
		"nph [a":                      "not a pattern for the name of a file",
		"stop_signal KILL":            "TERM, INT, HUP",
		"prewarm a.pl":                "needs root in the same block",
		"script /a\nprewarm a.pl":     "which prewarm without a path means",
		"root /srv\nprewarm ../a.pl":  "neither a path below root",
		"root /srv\nprewarm [a":       "neither a path below root",

		"root {http.vars.root}\nprewarm a.pl":              "needs root in the same block",
		"root /srv/{host}\nprewarm a.pl":                   "known only when a request comes",
		"script /a\nprewarm\nargs {path}":                  "known only when a request comes",
		"script /a\nprewarm\ndir {vars.dir}":               "known only when a request comes",
		"script /a\nprewarm\nidentity env SERVER_NAME":     "exclude each other",
		"script /a\nprewarm\nidentity string {host}":       "known only when a request comes",
		"script /a\nprewarm\nidentity id {http.vars.site}": "known only when a request comes",
	} {
		if err := validate(t, "prefork_cgi {\n"+config+"\n}"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, want %q", config, err, want)
		}
	}
	for _, config := range []string{
		"", "root /srv\nextensions *", "script /a\nscript_name /b",
		"root {env.HOME}\nprewarm *.pl tools/ /a.pl\nargs {env.HOME}\nenv A {host}\nidentity string a", "script /a\nprewarm",
		"}\nprefork_cgi /x {\nroot /same\n}\nprefork_cgi {\nroot /same\nmax_concurrent 9",
		"}\nprefork_cgi /x {\nroot /same\nenv A b\n}\nprefork_cgi {\nroot /same\nmax_concurrent 9",
	} {
		if err := validate(t, "prefork_cgi {\n"+config+"\n}"); err != nil {
			t.Errorf("%q: %v", config, err)
		}
	}
}

func TestEnvironmentIsOfSetupOrOfTheRequest(t *testing.T) {
	t.Setenv("PASSED", "passed")
	t.Setenv("SECRET", "secret")
	t.Setenv("TZ", "UTC")
	h := &Handler{
		Env:     map[string]string{"FIXED": "a", "GLOBAL": "{env.PASSED}", "OF_REQUEST": "{http.request.host}", "BRACES": `{"a":1}`},
		PassEnv: []string{"PASSED", "ABSENT"},
	}
	h.provisionEnv()
	seen := strings.Join(h.setupEnv, "\n") + "\n"
	for _, want := range []string{"FIXED=a\n", "GLOBAL=passed\n", `BRACES={"a":1}`, "PASSED=passed\n", "TZ=UTC\n", "PATH="} {
		if !strings.Contains(seen, want) {
			t.Errorf("setup does not see %q: %q", want, seen)
		}
	}
	for _, unwanted := range []string{"SECRET", "OF_REQUEST", "ABSENT"} {
		if strings.Contains(seen, unwanted) {
			t.Errorf("setup sees %q: %q", unwanted, seen)
		}
	}
	if len(h.requestEnv) != 1 || h.requestEnv["OF_REQUEST"] == "" {
		t.Errorf("of the request: %v", h.requestEnv)
	}
}

func TestReloadKeepsWhatIsConfiguredTheSame(t *testing.T) {
	handler := func(change ...func(*Handler)) *Handler {
		h := &Handler{Interpreters: map[string][]string{".pl": {"perl"}}}
		h.Root = defaultRoot
		for _, c := range change {
			c(h)
		}
		h.provisionEnv()
		settings, _ := json.Marshal([]any{h.Args, h.Dir, h.setupEnv, h.Identity})
		h.settings = string(settings)
		return h
	}
	spec := func(h *Handler, script string) pool.Spec {
		return pool.Spec{Command: prefork.Command{Script: script}, Template: h.template(script)}
	}
	old := handler()
	for name, c := range map[string]struct {
		next   *Handler
		script string
		covers bool
	}{
		"nothing":                      {handler(), "/srv/a.pl", true},
		"limits":                       {handler(func(h *Handler) { h.MaxConcurrent = 9 }), "/srv/a.pl", true},
		"another script's interpreter": {handler(func(h *Handler) { h.Interpreters[".py"] = []string{"python3"} }), "/srv/a.pl", true},
		"its interpreter":              {handler(func(h *Handler) { h.Interpreters[".pl"] = []string{"perl", "-w"} }), "/srv/a.pl", false},
		"environment":                  {handler(func(h *Handler) { h.Env = map[string]string{"A": "b"} }), "/srv/a.pl", false},
		"arguments":                    {handler(func(h *Handler) { h.Args = []string{"a"} }), "/srv/a.pl", false},
		"identity":                     {handler(func(h *Handler) { h.Identity = &Identity{Env: []string{"A"}} }), "/srv/a.pl", false},
		"root, still above it":         {handler(func(h *Handler) { h.Root = "/srv" }), "/srv/a.pl", true},
		"root of all":                  {handler(func(h *Handler) { h.Root = "/" }), "/srv/a.pl", true},
		"root, elsewhere":              {handler(func(h *Handler) { h.Root = "/srv/b" }), "/srv/a.pl", false},
		"this script":                  {handler(func(h *Handler) { h.Root, h.Script = "", "/srv/a.pl" }), "/srv/a.pl", true},
		"another script":               {handler(func(h *Handler) { h.Root, h.Script = "", "/srv/b.pl" }), "/srv/a.pl", false},
	} {
		if got := c.next.covers(spec(old, c.script)); got != c.covers {
			t.Errorf("%s: covered is %v", name, got)
		}
	}
}

func TestReloadLeavesToARequestWhichHandlerItIsFor(t *testing.T) {
	one := &Handler{Root: defaultRoot, Limits: Limits{MaxConcurrent: 1}, Watch: []string{"data"}}
	two := &Handler{Root: defaultRoot, Limits: Limits{MaxConcurrent: 2}}
	was := two.spec("/srv/a.pl", nil, caddy.NewReplacer())
	got, ok := (&App{handlers: []*Handler{one, two}}).covers(was)
	if !ok || got.Limits.MaxConcurrent != 2 || len(got.Sources) != 0 {
		t.Errorf("of two: %v, %+v", ok, got)
	}
	three := &Handler{Root: defaultRoot, Limits: Limits{MaxConcurrent: 1}}
	got, ok = (&App{handlers: []*Handler{one, three}}).covers(was)
	if !ok || got.Limits.MaxConcurrent != 1 || len(got.Sources) != 0 {
		t.Errorf("of two with the same limits: %v, %+v", ok, got)
	}
	got, ok = (&App{handlers: []*Handler{one}}).covers(was)
	if !ok || got.Limits.MaxConcurrent != 1 || len(got.Sources) != 1 {
		t.Errorf("of one: %v, %+v", ok, got)
	}
}
