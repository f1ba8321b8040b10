// Says what a Go program is told by net/http/cgi, which makes a request of its
// environment again.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
)

func main() {
	err := cgi.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			log.Fatalf("cannot read the body: %v", err)
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Add("X-Two", "1")
		w.Header().Add("X-Two", "2")
		w.WriteHeader(http.StatusNonAuthoritativeInfo)
		fmt.Fprintf(w, "%s %s %s, length %d, type %q\n", r.Method, r.URL.Path, r.URL.RawQuery, r.ContentLength, r.Header.Get("Content-Type"))
		fmt.Fprintf(w, "%s, word %q, cookies %q\n", r.Proto, r.Header["X-Word"], r.Cookies())
		fmt.Fprintf(w, "TLS %t, form %v\n%q\n", r.TLS != nil, r.URL.Query(), body)
	}))
	if err != nil {
		log.Fatalf("cannot serve: %v", err)
	}
}
