package cgi

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// FuzzResolve looks for a path that leads out of the root, or whose parts are not
// the path.
func FuzzResolve(f *testing.F) {
	outside := makeTree(f, "out.cgi*")
	root := makeTree(f, "a.cgi*", "d/b.cgi*", "d/index.cgi*", "foo.cgi/c.cgi*", "plain.txt", "locked.cgi",
		"in -> d", "out -> "+outside, "out.cgi -> "+outside+"/out.cgi", "up -> ..")
	for _, seed := range [][2]string{
		{"/a.cgi", ""},
		{"/a.cgi//x/../y/", "/a.cgi//x%2F..%2Fy/"},
		{"//d//b.cgi/x", "//%64//b.cgi/x"},
		{"/d/", "/d/"},
		{"/d/b.cgi", "/d%2Fb.cgi"},
		{"/in/b.cgi", ""},
		{"/out/out.cgi", "/out%2fout.cgi"},
		{"/up/" + filepath.Base(outside) + "/out.cgi", ""},
		{"/../a.cgi\x00", "/%2e%2e/a.cgi%00"},
		{"/foo.cgi/c.cgi", "/foo.cgi/%zz"},
	} {
		f.Add(seed[0], seed[1])
	}
	tree := Tree{Root: root, Extensions: onlyCGI, Index: []string{"index.cgi"}}
	slashes := regexp.MustCompile(`/+`)
	f.Fuzz(func(t *testing.T, urlPath, escaped string) {
		s, err := tree.Resolve(urlPath, escaped)
		if err != nil {
			return
		}
		if rel, errRel := filepath.Rel(root, s.File); errRel != nil || !filepath.IsLocal(rel) || !within(root, s.File) {
			t.Errorf("%s is not in %s", s.File, root)
		}
		head, ok := strings.CutSuffix(urlPath, s.PathInfo)
		name := slashes.ReplaceAllString("/"+head, "/")
		isIndex := s.PathInfo == "" && s.Name == name+"index.cgi"
		if !ok || s.Name != name && !isIndex {
			t.Errorf("%q became %q and %q", urlPath, s.Name, s.PathInfo)
		}
		decoded, err := url.PathUnescape(escaped)
		if decoded = slashes.ReplaceAllString("/"+decoded, "/"); err == nil && escaped != "" && !isIndex && !strings.HasPrefix(decoded, s.Name) {
			t.Errorf("%q does not name %q", escaped, s.Name)
		}
	})
}
