package caddymod

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// An inspection is what the running configuration would do with a GET request for a URL,
// from a client on this machine. docs/operations.md describes the fields.
type inspection struct {
	Asked  string   `json:"asked"`
	User   string   `json:"user"` // whose processes Caddy's are
	Groups []string `json:"groups"`
	Sites  []site   `json:"sites"`
}

// A site is a server, and one of its names, that the request may reach.
type site struct {
	Server   string   `json:"server"`
	Listen   []string `json:"listen"`
	URL      string   `json:"url"`
	NotRun   []string `json:"not_run,omitempty"` // handlers that might answer, or refuse, first
	Error    string   `json:"error,omitempty"`   // of a matcher
	Handlers []visit  `json:"handlers"`
}

// inspect asks the running configuration. asked is a URL, or only its path: then all sites
// are asked. The error is for the client.
func inspect(asked string) (*inspection, error) {
	u, err := url.Parse(asked)
	if err != nil || !strings.HasPrefix(u.Path, "/") || u.Host != "" && u.Scheme != "http" && u.Scheme != "https" {
		return nil, clientError(http.StatusBadRequest,
			fmt.Errorf("url is %q; it must be a path such as /app.pl?a=b, or begin with http://host/ or https://host/", asked))
	}
	app, err := caddy.ActiveContext().AppIfConfigured("http")
	if err != nil {
		return nil, clientError(http.StatusNotFound, fmt.Errorf("the running configuration has no sites: %w", err))
	}
	us := ourselves()
	found := &inspection{Asked: asked, User: userName(us.uid), Sites: []site{}}
	for _, gid := range us.gids {
		found.Groups = append(found.Groups, groupName(gid))
	}
	h := app.(*caddyhttp.App)
	ports := map[string]string{
		"http":  strconv.Itoa(cmp.Or(h.HTTPPort, caddyhttp.DefaultHTTPPort)),
		"https": strconv.Itoa(cmp.Or(h.HTTPSPort, caddyhttp.DefaultHTTPSPort)),
	}
	var listen []string
	for _, name := range slices.Sorted(maps.Keys(h.Servers)) {
		found.Sites = append(found.Sites, sitesOf(name, h.Servers[name], u, ports)...)
		listen = append(listen, h.Servers[name].Listen...)
	}
	if len(found.Sites) == 0 {
		return nil, clientError(http.StatusNotFound, fmt.Errorf("cannot tell what runs for %s: no server has a prefork_cgi handler "+
			"that it reaches; those of the running configuration listen on %s", asked, join(listen)))
	}
	return found, nil
}

func clientError(status int, err error) error { return caddy.APIError{HTTPStatus: status, Err: err} }

// sitesOf makes the tours of one server. Where no host is named it is that of each of the
// server's sites, and one that none of them has. ports are those that a scheme means.
func sitesOf(name string, server *caddyhttp.Server, asked *url.URL, ports map[string]string) (sites []site) {
	if asked.Host != "" {
		if !listens(server, cmp.Or(asked.Port(), ports[asked.Scheme])) {
			return nil
		}
		return []site{visitSite(name, server, *asked)}
	}
	all := append(hosts(server.Routes, nil), "localhost")
	for _, host := range slices.Compact(slices.Sorted(slices.Values(all))) {
		u := *asked
		u.Scheme, u.Host = "http", strings.ReplaceAll(host, "*", "any")
		if len(server.TLSConnPolicies) > 0 {
			u.Scheme = "https"
		}
		if port := portOf(server); port != "" && port != ports[u.Scheme] {
			u.Host += ":" + port
		}
		if s := visitSite(name, server, u); len(s.Handlers) > 0 || s.Error != "" {
			sites = append(sites, s)
		}
	}
	return sites
}

// visitSite makes one tour.
func visitSite(name string, server *caddyhttp.Server, u url.URL) site {
	s := site{Server: name, Listen: server.Listen, URL: u.String(), Handlers: []visit{}}
	r := &http.Request{
		Method: http.MethodGet, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: http.NoBody,
		Host: u.Host, RequestURI: u.RequestURI(), RemoteAddr: "127.0.0.1:0",
		URL: &url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery},
	}
	if u.Scheme == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, ServerName: u.Hostname()}
	}
	t := newTour(server, r)
	s.NotRun, s.Handlers = t.notRun, append(s.Handlers, t.visits...)
	if t.broken != nil {
		s.Error = t.broken.Error()
	}
	return s
}

// listens reports whether a server has a port. What listens on a socket with a name may
// get anything.
func listens(server *caddyhttp.Server, port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && slices.ContainsFunc(server.Listen, func(listen string) bool {
		addr, err := caddy.ParseNetworkAddress(listen)
		return err == nil && (addr.IsUnixNetwork() || addr.IsFdNetwork() || addr.StartPort <= uint(n) && uint(n) <= addr.EndPort)
	})
}

// portOf returns the first port of a server; empty if it has none.
func portOf(server *caddyhttp.Server) string {
	for _, listen := range server.Listen {
		if addr, err := caddy.ParseNetworkAddress(listen); err == nil && addr.StartPort != 0 {
			return strconv.FormatUint(uint64(addr.StartPort), 10)
		}
	}
	return ""
}
