package e2e

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// A visit is what `inspect` says of one handler.
type visit struct {
	Path, Answer string
	Status       int
	Script       struct {
		File       string
		ScriptName string `json:"script_name"`
		PathInfo   string `json:"path_info"`
	}
	Permissions []struct{ For, Path, Link, Wrong, Fix string }
	Start       struct {
		Command               []string
		Mode, Why, Error, Dir string
	}
	Pool struct {
		Pool   string
		Inputs []struct {
			Name   string
			Values []string
		}
		Now *struct {
			Mode, Why, Failure string
			PID                int
		}
	}
	Environment []struct {
		Name, Value string
		Setup       bool
	}
	Limits []struct{ Name, Value string }
}

// A visitedSite is what it says of one site.
type visitedSite struct {
	Server, URL, Error string
	NotRun             []string `json:"not_run"`
	Handlers           []visit
}

// inspectAs asks the admin endpoint, which answers in the form that is accepted.
func inspectAs(t *testing.T, s *site.Site, accept, asked string) (status int, header http.Header, body string) {
	t.Helper()
	r, err := http.NewRequest("GET", "http://"+s.Admin+"/prefork_cgi/inspect?url="+url.QueryEscape(asked), nil)
	site.Must(t, err)
	r.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(r)
	site.Must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	site.Must(t, err)
	return resp.StatusCode, resp.Header, string(text)
}

// sitesFor returns what is said of all sites.
func sitesFor(t *testing.T, s *site.Site, asked string) []visitedSite {
	t.Helper()
	status, _, body := inspectAs(t, s, "application/json", asked)
	var found struct{ Sites []visitedSite }
	if err := json.Unmarshal([]byte(body), &found); err != nil || status != 200 {
		t.Fatalf("%s: %d %s: %v", asked, status, body, err)
	}
	return found.Sites
}

// inspect returns the last handler that is reached on the only site.
func inspect(t *testing.T, s *site.Site, asked string) visit {
	t.Helper()
	sites := sitesFor(t, s, asked)
	if len(sites) != 1 || len(sites[0].Handlers) == 0 {
		t.Fatalf("%s: %+v", asked, sites)
	}
	return sites[0].Handlers[len(sites[0].Handlers)-1]
}

func TestInspectNamesEachFailingPermissionWithItsRemedy(t *testing.T) {
	t.Parallel()
	s := prepareAs(t, 64_125, "prefork_cgi /one {\n script @SITE@/locked/a.cgi\n}\nprefork_cgi /gone {\n script @SITE@/none.cgi\n}\nprefork_cgi {\n interpreter .py @SITE@/private/python\n index index.cgi\n}", map[string]string{
		"ok.cgi": site.Shell("printf ok"), "locked/a.cgi": site.Shell("printf locked"), "-plain.cgi": site.Shell("printf plain"),
		"unreadable.cgi": site.Shell("printf no"), "runs.py": "print()", "private/python": site.Shell("exit 1"),
		"gone.cgi": "#!/no/such/interpreter\n", "index/index.cgi": site.Shell("printf index"), "-text.txt": "text",
	})
	for name, mode := range map[string]os.FileMode{"locked": 0o750, "unreadable.cgi": 0o711, "private/python": 0o700} {
		site.Must(t, os.Chmod(s.Path(name), mode))
	}
	site.Must(t, os.Symlink(s.Path("locked/a.cgi"), s.Path("linked.cgi")))
	site.Must(t, os.Symlink("/etc/passwd", s.Path("out.cgi")))
	s.Start()
	for path, want := range map[string]struct {
		status           int
		path, wrong, fix string
		answer           string
	}{
		"/ok.cgi":         {0, "", "", "", "the script's"},
		"/locked/a.cgi":   {0, "locked", "64125 may not enter it", "chmod o+x @/locked", "@/locked may not be entered"},
		"/linked.cgi":     {0, "locked", "64125 may not enter it", "chmod o+x @/locked", "@/locked may not be entered"},
		"/one":            {403, "locked", "64125 may not enter it", "chmod o+x @/locked", "its folder may not be searched"},
		"/gone":           {404, "none.cgi", "does not exist", "create it", "cannot find the script"},
		"/plain.cgi":      {403, "plain.cgi", "64125 may not execute it", "chmod o+x @/plain.cgi, or name a program", "not executable"},
		"/unreadable.cgi": {403, "unreadable.cgi", "64125 may not read it", "chmod o+r @/unreadable.cgi", "not readable"},
		"/runs.py":        {0, "private/python", "64125 may not execute it", "chmod o+x @/private/python", "the script's"},
		"/gone.cgi":       {0, "/no", "does not exist", "create it", "the script's"},
		"/none.cgi":       {0, "none.cgi", "does not exist", "create it", "the next handler's"},
		"/text.txt":       {0, "", "", "", "@/text.txt is not among the files that are scripts: .cgi .pl .py .rb"},
		"/index/":         {0, "", "", "", "the script's"},
		"/index":          {308, "", "", "", "a slash is missing"},
		"/out.cgi":        {403, "", "", "", "symlinks follow"},
		"/ok.cgi%00":      {400, "", "", "", "NUL"},
	} {
		v := inspect(t, s, path)
		at := func(text string) string { return strings.ReplaceAll(text, "@", s.Folder) }
		if v.Status != want.status || !strings.Contains(strings.ReplaceAll(v.Answer, ",", ""), at(want.answer)) {
			t.Errorf("%s: %d %q, want %d %q", path, v.Status, v.Answer, want.status, at(want.answer))
		}
		wrong := slices.DeleteFunc(slices.Clone(v.Permissions), func(p struct{ For, Path, Link, Wrong, Fix string }) bool { return p.Wrong == "" })
		switch {
		case want.wrong == "" && len(wrong) > 0:
			t.Errorf("%s: wrong is %+v", path, wrong)
		case want.wrong == "":
		case len(wrong) != 1 || wrong[0].Wrong != want.wrong || !strings.HasPrefix(wrong[0].Fix, at(want.fix)),
			wrong[0].Path != want.path && wrong[0].Path != s.Path(want.path):
			t.Errorf("%s: wrong is %+v, want %+v", path, wrong, want)
		}
		// What it says is what happens.
		real := s.Get(path).Status
		if want.status != 0 && real != want.status || want.status == 0 && want.wrong == "" && path != "/text.txt" && real != 200 {
			t.Errorf("%s: a request gets %d", path, real)
		}
	}
	// The remedy helps.
	site.Must(t, os.Chmod(s.Path("locked"), 0o751))
	if v := inspect(t, s, "/locked/a.cgi"); v.Answer != "the script's" {
		t.Errorf("after the remedy: %+v", v)
	}
	s.Want(s.Get("/locked/a.cgi"), 200, "locked")
}

func TestInspectSaysWhatARequestGets(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, `
	respond /answered "other"
	handle_path /app/* {
		rewrite /old/* /env.pl/new{path}
		prefork_cgi {
			root @SITE@
			env DB_PASSWORD hunter2
			env GREETING "<b>hello"
			args --token=t0ken plain
			identity env SERVER_NAME
			max_concurrent 7
		}
	}
	basic_auth /private/* {
		user $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG
	}
	prefork_cgi`, map[string]string{
		"env.pl":        "#!/usr/bin/perl\nprint qq{Content-Type: text/plain\\n\\n}, map { qq{$_=$ENV{$_}\\n} } sort keys %ENV;\n",
		"cold.cgi":      site.Shell("printf cold"),
		"private/a.cgi": site.Shell("printf private"),
		"broken.pl":     "#!/usr/bin/perl\nuse Prefork; prefork_initialisation_complete(); die;\n",
	})
	address := "http://" + s.Addr
	v := inspect(t, s, address+"/app/old/x?q=1")
	if v.Path != "/env.pl/new/old/x" || v.Script.File != s.Path("env.pl") || v.Script.PathInfo != "/new/old/x" {
		t.Errorf("behind handle_path and rewrite: %+v", v)
	}
	if v.Start.Mode != "automatic" || v.Start.Error != "" || strings.Join(v.Start.Command, " ") != "/usr/bin/perl "+s.Path("env.pl")+" --token=*** plain" {
		t.Errorf("start: %+v", v.Start)
	}
	if len(s.Entries("script is ready")) > 0 || v.Pool.Now != nil {
		t.Errorf("something has been run: %+v", v.Pool)
	}
	if _, _, text := inspectAs(t, s, "application/json", address+"/app/env.pl"); strings.Contains(text, "hunter2") || strings.Contains(text, "t0ken") {
		t.Errorf("a secret is shown: %s", text)
	}
	// The environment is that of a request, but for who asks, and what is masked.
	reply := s.Get("/app/old/x?q=1", func(r *http.Request) { r.Header.Del("User-Agent") })
	said := map[string]string{}
	for _, variable := range v.Environment {
		said[variable.Name] = variable.Value
		if variable.Setup != slices.Contains([]string{"DB_PASSWORD", "GATEWAY_INTERFACE", "GREETING", "LANG", "PATH", "SERVER_NAME", "SERVER_SOFTWARE"}, variable.Name) {
			t.Errorf("setup sees %s: %v", variable.Name, variable.Setup)
		}
	}
	for line := range strings.Lines(reply.Body) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		of := said[name]
		delete(said, name)
		switch {
		case name == "DB_PASSWORD" && of == "***", name == "REMOTE_PORT", name == "SERVER_ADDR", strings.HasPrefix(name, "HTTP_") && name != "HTTP_HOST":
		case of != value:
			t.Errorf("%s is %q, and said to be %q", name, value, of)
		}
	}
	if len(said) > 0 {
		t.Errorf("no request has %v", said)
	}
	// Its pool is the one that has been named.
	after := inspect(t, s, address+"/app/old/x?q=1")
	if after.Pool.Pool != v.Pool.Pool || after.Pool.Now == nil || after.Pool.Now.Mode != "automatic" || after.Pool.Now.PID == 0 {
		t.Errorf("a pool that serves: %+v, before %+v", after.Pool, v.Pool)
	}
	inputs := map[string]string{}
	for _, input := range v.Pool.Inputs {
		inputs[input.Name] = strings.Join(input.Values, " ")
	}
	if inputs["script"] != s.Path("env.pl") || inputs["identity"] != "SERVER_NAME=127.0.0.1" || !strings.Contains(inputs["env"], "DB_PASSWORD=***") {
		t.Errorf("inputs: %v", inputs)
	}
	if v.Limits[0].Name != "max_concurrent" || v.Limits[0].Value != "7" {
		t.Errorf("limits: %v", v.Limits)
	}
	if v := inspect(t, s, "/cold.cgi"); v.Start.Mode != "cold" || !strings.Contains(v.Start.Why, "no library for programs of") {
		t.Errorf("a path alone: %+v", v.Start)
	}
	if sites := sitesFor(t, s, address+"/private/a.cgi"); !slices.Equal(sites[0].NotRun, []string{"http.handlers.authentication"}) {
		t.Errorf("who has not been asked: %+v", sites)
	}
	if sites := sitesFor(t, s, address+"/answered"); !slices.Equal(sites[0].NotRun, []string{"http.handlers.static_response"}) {
		t.Errorf("who might answer: %+v", sites)
	}
	s.Get("/broken.pl")
	if v := inspect(t, s, "/broken.pl"); v.Pool.Now == nil || !strings.Contains(v.Pool.Now.Failure, "Prefork.pm") {
		t.Errorf("a script that cannot be set up: %+v", v.Pool)
	}
}

// The way through the routes is Caddy's: of names, groups and variables.
func TestInspectGoesThroughTheRoutesAsCaddyDoes(t *testing.T) {
	t.Parallel()
	s := site.Prepare(t, "", map[string]string{"one/a.cgi": site.Shell("printf one"), "two/a.cgi": site.Shell("printf two"), "a.cgi": site.Shell("printf own")})
	_, port, _ := net.SplitHostPort(s.Addr)
	s.Config = strings.ReplaceAll(`
	prefork_cgi
}
http://one.test:PORT, http://*.two.test:PORT {
	bind 127.0.0.1
	root * @SITE@/one
	@two host *.two.test
	handle @two {
		root * @SITE@/two
		prefork_cgi
	}
	handle {
		map {path} {kind} {
			/b.cgi /a.cgi
		}
		rewrite /b.cgi {kind}
		prefork_cgi /a.cgi
	}
	prefork_cgi {
		root /never/reached
	}
}
http://empty.test:PORT {
	bind 127.0.0.1
	prefork_cgi /only/*
`, "PORT", port)
	s.Start()
	files := map[string]string{}
	for _, found := range sitesFor(t, s, "/a.cgi") {
		u, err := url.Parse(found.URL)
		site.Must(t, err)
		if len(found.Handlers) != 1 || u.Port() != port {
			t.Fatalf("%+v", found)
		}
		files[u.Hostname()] = found.Handlers[0].Script.File
		if r := s.Get("/a.cgi", func(r *http.Request) { r.Host = u.Host }); r.Status != 200 || found.Handlers[0].Script.File != s.Path(map[string]string{"one": "one/", "two": "two/", "own": ""}[r.Body]+"a.cgi") {
			t.Errorf("%s: %+v, a request gets %q", found.URL, found.Handlers[0].Script, r.Body)
		}
	}
	if len(files) != 3 || files["one.test"] == "" || files["any.two.test"] == "" || files["127.0.0.1"] == "" {
		t.Errorf("sites: %v", files)
	}
	if sites := sitesFor(t, s, "http://one.test:"+port+"/b.cgi"); sites[0].Handlers[0].Script.File != s.Path("one/a.cgi") {
		t.Errorf("behind map and rewrite: %+v", sites)
	}
	if sites := sitesFor(t, s, "http://empty.test:"+port+"/a.cgi"); len(sites) != 1 || len(sites[0].Handlers) != 0 {
		t.Errorf("a path that is not matched: %+v", sites)
	}
}

func TestInspectIsAPageAndACommand(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, "prefork_cgi {\n env GREETING <b>hello\n}", map[string]string{"a.cgi": site.Shell("printf a")})
	status, header, page := inspectAs(t, s, "text/html,*/*;q=0.8", "/a.cgi?x=<script>")
	if status != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/html") || strings.Contains(page, "<b>") || strings.Contains(page, "<script>") ||
		!strings.Contains(page, "&lt;b&gt;hello") || !strings.Contains(page, s.Path("a.cgi")) {
		t.Errorf("the page: %d %v %s", status, header, page)
	}
	if status, _, form := inspectAs(t, s, "text/html", ""); status != 200 || !strings.Contains(form, "<form") {
		t.Errorf("the page without a question: %d %s", status, form)
	}
	for asked, want := range map[string]int{"": 400, "a.cgi": 400, "ftp://host/a": 400, "http://127.0.0.1:1/a.cgi": 404, "%zz": 400} {
		if status, _, body := inspectAs(t, s, "*/*", asked); status != want || !strings.Contains(body, `"error"`) {
			t.Errorf("%q: %d %s, want %d", asked, status, body, want)
		}
	}
	out, err := s.Caddy("prefork-cgi", "inspect", "/a.cgi", "--address", s.Admin).CombinedOutput()
	for _, want := range []string{"/a.cgi: the script's", s.Path("a.cgi"), "cold", "max_concurrent", "* GREETING=<b>hello", "which is not there"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("the command: %v, no %q in %s", err, want, out)
		}
	}
	out, err = s.Caddy("prefork-cgi", "inspect", "--json", "--config", s.Caddyfile(), "--adapter", "caddyfile", "/a.cgi").Output()
	if err != nil || !json.Valid(out) {
		t.Errorf("as JSON: %v, %s", err, out)
	}
	for _, wrong := range [][]string{{"inspect"}, {"look", "/a.cgi"}, {"inspect", "a.cgi", "--address", s.Admin}} {
		if out, err := s.Caddy(append([]string{"prefork-cgi"}, wrong...)...).CombinedOutput(); err == nil {
			t.Errorf("%v: no error but %s", wrong, out)
		}
	}
}
