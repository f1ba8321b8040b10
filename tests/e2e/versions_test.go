package e2e

import (
	"net/http"
	"testing"

	"github.com/quic-go/quic-go/http3"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// unsized is a site where bodies without a length are spooled, but below /stream.
const unsized = `global servers {
	protocols h1 h2 h2c h3
}

prefork_cgi /stream/* {
	request_body stream
	spool_limit 1
}
prefork_cgi {
	spool_limit 1MB
}`

// unsizedScripts tell what they were told of a body, and what they have read; or echo it.
func unsizedScripts() map[string]string {
	files := map[string]string{}
	for _, folder := range []string{"spool/", "stream/"} {
		files[folder+"count.cgi"] = site.Shell(`printf '%s %s ' "$SERVER_PROTOCOL" "${CONTENT_LENGTH-none}"; wc -c`)
		files[folder+"count.pl"] = "#!/usr/bin/perl\nmy $n = 0; while (my $r = read STDIN, my $b, 65536) { $n += $r }\n" +
			`printf "Content-Type: text/plain\n\n%s %s %d\n", $ENV{SERVER_PROTOCOL}, $ENV{CONTENT_LENGTH} // 'none', $n;`
		files[folder+"unread.cgi"] = site.Shell("exec <&-; echo ignored")
		files[folder+"mark.cgi"] = "#!/bin/sh\n: >\"$QUERY_STRING.begun\"\nn=$(wc -c)\n: >\"$QUERY_STRING.complete\"\n"
		files[folder+"echo.cgi"] = site.Shell("cat")
		files[folder+"echo.pl"] = "#!/usr/bin/perl\n$| = 1; print \"Content-Type: text/plain\\n\\n\";\n" +
			"while (sysread STDIN, my $b, 65536) { print $b }\n"
	}
	return files
}

// A versionClient speaks one version of HTTP to a site.
type versionClient struct {
	*http.Client
	url  string
	site *site.Site
}

// clients returns one for each version of HTTP.
func clients(t *testing.T) map[string]versionClient {
	t.Helper()
	plain := site.Serve(t, unsized, unsizedScripts())
	secure := site.Prepare(t, unsized, unsizedScripts())
	secure.TLS = true
	secure.Start()
	config := secure.Trust()
	h2c := &http.Transport{Protocols: new(http.Protocols)}
	h2c.Protocols.SetUnencryptedHTTP2(true)
	h3 := &http3.Transport{TLSClientConfig: config}
	h2 := &http.Transport{TLSClientConfig: config.Clone(), ForceAttemptHTTP2: true}
	all := map[string]versionClient{
		"HTTP/1.1":     {&http.Client{Transport: &http.Transport{}}, "http://" + plain.Addr, plain},
		"HTTP/2.0":     {&http.Client{Transport: h2}, "https://" + secure.Addr, secure},
		"HTTP/2.0 h2c": {&http.Client{Transport: h2c}, "http://" + plain.Addr, plain},
		"HTTP/3.0":     {&http.Client{Transport: h3}, "https://" + secure.Addr, secure},
	}
	t.Cleanup(func() {
		for _, client := range all {
			client.CloseIdleConnections()
		}
		h3.Close()
	})
	return all
}
