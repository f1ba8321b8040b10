// Command caddy is Caddy with its standard modules and prefork_cgi: the same
// program that xcaddy builds.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // Caddy's own modules

	_ "github.com/prefork-cgi/prefork-cgi" // prefork_cgi
)

func main() { caddycmd.Main() }
