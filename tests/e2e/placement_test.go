package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// where is a script that says where it is.
var where = site.Shell(`printf '%s|%s' "$SCRIPT_NAME" "$PATH_INFO"`)

// localRedirect is a script that has another path answer.
func localRedirect(path string) string { return "#!/bin/sh\nprintf 'Location: " + path + "\n\n'\n" }

// recipe returns the block of docs/placement.md under a heading, as [site.Prepare]
// takes it: the global options and the directives of its site, but for the
// root. Its folder is the site's.
func recipe(t *testing.T, heading string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/placement.md")
	site.Must(t, err)
	block := regexp.MustCompile("(?s)\n## " + heading + "\n.*?```caddyfile\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatalf("no recipe under %q", heading)
	}
	parts := regexp.MustCompile(`(?s)^(?:\{\n(.*)\n\}\n)?(?:http://)?example.org \{\n\troot \* /srv/www\n(.*)\n\}\n$`).FindStringSubmatch(string(block[1]))
	if parts == nil {
		t.Fatalf("the recipe under %q is no site: %s", heading, block[1])
	}
	return "global " + parts[1] + "\n\n" + parts[2]
}

// TestSelfReferencesComeBack asks for each path, and for SCRIPT_NAME with PATH_INFO that
// the script is told: that must be the same script, told the same.
func TestSelfReferencesComeBack(t *testing.T) {
	t.Parallel()
	s := site.Prepare(t, `
	handle_path /strip/* {
		prefork_cgi
	}
	handle_path /all* {
		prefork_cgi
	}
	handle_path /wiki/* {
		@page not file
		rewrite @page /app.cgi{path}
		prefork_cgi
	}
	handle /front/* {
		rewrite * /app.cgi{path}
		prefork_cgi
	}
	@blog path_regexp blog ^/blog/(.*)$
	handle @blog {
		rewrite * /app.cgi/{re.blog.1}
		prefork_cgi
	}
	handle /page {
		rewrite * /app.cgi?page=1
		prefork_cgi
	}
	handle /v1/* {
		uri replace /v1/ /v2/
		prefork_cgi
	}
	handle_path /single* {
		prefork_cgi {
			script @SITE@/app.cgi
		}
	}
	handle_path /under/* {
		prefork_cgi /app* {
			script @SITE@/app.cgi
		}
	}
	handle /alias* {
		rewrite * /dir
		prefork_cgi
	}
	handle {
		try_files {path} {path}.cgi
		prefork_cgi
	}`, map[string]string{"app.cgi": where, "v2/app.cgi": where, "dir/index.cgi": where, "index.cgi": where, "go.cgi": localRedirect("/wiki/there")})
	s.Start()
	for path, want := range map[string]string{
		"/strip/app.cgi/x":           "/strip/app.cgi|/x",
		"/strip//app.cgi//x":         "/strip/app.cgi|/x",
		"/strip/./dir/../app.cgi/x/": "/strip/app.cgi|/x/",
		"/STRIP/app.cgi/x":           "/STRIP/app.cgi|/x",
		"/%73trip/app.cgi/x%2Fy%20z": "/strip/app.cgi|/x/y z",
		"/strip/dir/":                "/strip/dir/index.cgi|",
		"/all":                       "/all/index.cgi|",
		"/all/":                      "/all/index.cgi|",
		"/wiki/a//b":                 "/wiki|/a/b",
		"/front/a//b":                "|/front/a//b",
		"/blog/a/b":                  "/blog|/a/b",
		"/page":                      "/app.cgi|",
		"/v1/app.cgi/x":              "/v1/app.cgi|/x",
		"/single":                    "/single|",
		"/single/":                   "/single|/",
		"/single/x":                  "/single|/x",
		"/under/app/x":               "/under/app|/x",
		"/alias":                     "/dir/index.cgi|",
		"/alias/":                    "/dir/index.cgi|",
		"/app":                       "/app.cgi|",
		"//app.cgi//x":               "/app.cgi|//x",
	} {
		s.Want(s.Get(path), 200, want)
		again := strings.ReplaceAll(strings.Replace(want, "|", "", 1), " ", "%20")
		s.Want(s.Get(again), 200, want)
	}
	s.Want(s.Get("/go.cgi"), 200, "/wiki|/there")
	if r := s.Get("/strip/dir"); r.Status != 308 || r.Header.Get("Location") != "./dir/" {
		t.Errorf("a folder that lacks its slash: %d to %q", r.Status, r.Header.Get("Location"))
	}
}

func TestScriptsOutsideTheSite(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	s := site.Prepare(t, strings.ReplaceAll(recipe(t, "A folder outside the site"), "/usr/lib/cgi-bin", outside), map[string]string{"-page.txt": "page"})
	tell := site.Shell(`printf '%s|%s|%s|%s' "$SCRIPT_NAME" "$PATH_INFO" "$DOCUMENT_ROOT" "$PATH_TRANSLATED"`)
	site.Must(t, os.WriteFile(outside+"/tool", []byte(tell), 0o755))
	site.Must(t, os.Symlink(s.Path("page.txt"), outside+"/linked"))
	site.Must(t, os.Chmod(s.Folder, 0o755))
	s.Start()
	s.Want(s.Get("/cgi-bin/tool/x"), 200, "/cgi-bin/tool|/x|"+s.Folder+"|"+s.Folder+"/x")
	s.Want(s.Get("/page.txt"), 200, "page")
	s.Want(s.Get("/tool"), 404, "")
}

func TestOneScriptForAllThatIsNoFile(t *testing.T) {
	t.Parallel()
	s := site.Serve(t, recipe(t, "One script for all that is no file"), map[string]string{"index.cgi": where, "-page.txt": "page"})
	s.Want(s.Get("/a/b"), 200, "|/a/b")
	s.Want(s.Get("/page.txt"), 200, "page")
	s.Want(s.Get("/index.cgi"), 200, "/index.cgi|")
	s.Want(s.Get("/"), 200, "|/")
}

func TestUserDirectories(t *testing.T) {
	t.Parallel()
	s := site.Prepare(t, strings.ReplaceAll(recipe(t, "User directories"), "/home/", "@STATE@/"), map[string]string{"secret.cgi": where})
	bob := s.State + "/bob/public_html"
	site.Must(t, os.MkdirAll(bob+"/cgi-bin", 0o755))
	site.Must(t, os.WriteFile(bob+"/cgi-bin/count.cgi", []byte(where), 0o755))
	site.Must(t, os.WriteFile(bob+"/other.cgi", []byte("no script"), 0o644))
	site.Must(t, os.Symlink(s.Path("secret.cgi"), bob+"/cgi-bin/link.cgi"))
	s.Start()
	for path, want := range map[string]string{
		"/~bob/cgi-bin/count.cgi/x":   "200 /~bob/cgi-bin/count.cgi|/x",
		"/%7Ebob/cgi-bin/count.cgi":   "200 /~bob/cgi-bin/count.cgi|",
		"/~bob/other.cgi":             "200 no script",
		"/~bob/cgi-bin/link.cgi":      "403 ",
		"/~eve/cgi-bin/count.cgi":     "404 ",
		"/~../bob/cgi-bin/count.cgi":  "200 ", // of no site: nothing answers
		"/~bob/../../secret.cgi":      "200 ",
		"/~bob%2F../cgi-bin/link.cgi": "200 ",
	} {
		r := s.Get(path)
		if got := fmt.Sprintf("%d %s", r.Status, r.Body); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestFilesThatAScriptChooses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	site.Must(t, os.WriteFile(folder+"/a b.txt", []byte("0123456789"), 0o644))
	config := recipe(t, "Files that a script chooses")
	send := "#!/bin/sh\nprintf 'X-Accel-Redirect: %s\\nContent-Disposition: attachment\\n" +
		"Content-Type: application/x-test\\nContent-Length: 0\\n\\n' \"$QUERY_STRING\"\n"
	for name, file := range map[string]string{"X-Accel-Redirect": "/protected/", "X-Sendfile": folder + "/"} {
		config := config
		if name == "X-Sendfile" { // as the text says
			config = strings.NewReplacer("X-Accel-Redirect", name, "/protected/*", folder+"/*", "strip_prefix /protected", "strip_prefix "+folder).Replace(config)
		}
		s := site.Serve(t, strings.ReplaceAll(config, "/srv/protected", folder), map[string]string{
			"send.cgi": strings.ReplaceAll(send, "X-Accel-Redirect", name),
			"bare.cgi": "#!/bin/sh\nprintf '" + name + ": " + file + "a b.txt\\n\\n'\n",
		})
		path := "/send.cgi?" + file + "a%20b.txt"
		whole := s.Get(path)
		s.Want(whole, 200, "0123456789")
		for field, want := range map[string]string{
			"Content-Type": "application/x-test", "Content-Disposition": "attachment", "Content-Length": "10",
			"Accept-Ranges": "bytes", name: "",
		} {
			if got := whole.Header.Get(field); got != want {
				t.Errorf("%s: %s is %q, want %q", name, field, got, want)
			}
		}
		with := func(field, value string) func(*http.Request) {
			return func(r *http.Request) { r.Header.Set(field, value) }
		}
		part := s.Get(path, with("Range", "bytes=2-4"))
		s.Want(part, 206, "234")
		if part.Header.Get("Content-Range") != "bytes 2-4/10" || part.Header.Get("Content-Length") != "3" {
			t.Errorf("%s: header of a range: %v", name, part.Header)
		}
		s.Want(s.Get(path, with("If-None-Match", whole.Header.Get("Etag"))), 304, "")
		if r := s.Do("HEAD", path, nil); r.Status != 200 || r.Header.Get("Content-Length") != "10" {
			t.Errorf("%s: HEAD: %d %v", name, r.Status, r.Header)
		}
		s.Want(s.Do("POST", path, strings.NewReader("body")), 200, "0123456789")
		if r := s.Get("/bare.cgi"); r.Body != "0123456789" || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s without a type: %q %v", name, r.Body, r.Header)
		}
		for _, bad := range []string{file + "none", file + "../" + s.Path("send.cgi"), file + "..%2f..%2f..%2fetc/passwd"} {
			s.Want(s.Get("/send.cgi?"+bad), 404, "")
		}
		if r := s.Get("/send.cgi?/etc/passwd"); r.Status != 200 || r.Body != "" {
			t.Errorf("%s of what is not protected: %d %q", name, r.Status, r.Body)
		}
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	portal := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := strings.CutPrefix(r.Header.Get("Cookie"), "session=")
		if !ok || r.URL.Path != "/verify" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		w.Header().Set("Remote-User", user)
	}))
	defer portal.Close()
	config := strings.ReplaceAll(recipe(t, "Users"), "localhost:9091", portal.Listener.Addr().String())
	// The same user, whose password is known, and quickly checked.
	config = regexp.MustCompile(`\$2a\S+`).ReplaceAllString(config, "$$2a$$04$$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW")
	script := site.Shell(`printf '%s|%s|%s' "${REMOTE_USER-none}" "${AUTH_TYPE-none}" "${HTTP_AUTHORIZATION-none}"`)
	s := site.Serve(t, config, map[string]string{"private/who.cgi": script, "portal/who.cgi": script, "who.cgi": script, "go.cgi": localRedirect("/private/who.cgi")})
	password := func(r *http.Request) { r.SetBasicAuth("bob", "secret") }
	s.Want(s.Get("/private/who.cgi"), 401, "")
	s.Want(s.Get("/private/who.cgi", password), 200, "bob|Basic|none")
	s.Want(s.Get("/go.cgi"), 401, "")
	s.Want(s.Get("/go.cgi", password), 200, "bob|Basic|none")
	s.Want(s.Get("/who.cgi", password), 200, "none|none|Basic Ym9iOnNlY3JldA==")
	session := func(r *http.Request) {
		r.Header.Set("Cookie", "session=alice")
		r.Header.Set("Remote-User", "mallory")
	}
	s.Want(s.Get("/portal/who.cgi", session), 200, "alice|none|none")
	s.Want(s.Get("/portal/who.cgi"), 401, "")
	s.Want(s.Get("/who.cgi", session), 200, "none|none|none")
}

func TestClientBehindAProxy(t *testing.T) {
	t.Parallel()
	forwarded := func(r *http.Request) {
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		r.Header.Set("X-Forwarded-Proto", "https")
	}
	script := site.Shell(`printf '%s|%s|%s|%s' "$REMOTE_ADDR" "$REMOTE_HOST" "${REMOTE_PORT:+port}" "$HTTPS"`)
	config := recipe(t, "Behind a proxy")
	trusting := site.Serve(t, strings.ReplaceAll(config, "192.0.2.0/24", "127.0.0.1/32"), map[string]string{"who.cgi": script})
	trusting.Want(trusting.Get("/who.cgi", forwarded), 200, "198.51.100.7|198.51.100.7||on")
	trusting.Want(trusting.Get("/who.cgi"), 200, "127.0.0.1|127.0.0.1|port|")
	wary := site.Serve(t, config, map[string]string{"who.cgi": script})
	wary.Want(wary.Get("/who.cgi", forwarded), 200, "127.0.0.1|127.0.0.1|port|")
}
