package caddymod

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

// command returns `caddy prefork-cgi`, which asks a running Caddy by its admin endpoint.
func command() caddycmd.Command {
	flags := flag.NewFlagSet("prefork-cgi", flag.ExitOnError)
	flags.String("config", "", "Configuration file that says where the admin endpoint is")
	flags.String("adapter", "", "Config adapter of that file")
	flags.String("address", "", "Address of the admin endpoint, if it is neither the default nor in --config")
	flags.Bool("json", false, "Print JSON")
	return caddycmd.Command{
		Name:  "prefork-cgi",
		Usage: "inspect <url> [--config <path> [--adapter <name>]] [--address <interface>] [--json]",
		Short: "Says what the prefork_cgi handlers of a running Caddy would do",
		Long: `
inspect says what would run for a URL, or for a path on any site: which script,
how it is started, as whom and with which permissions on the way, whether it is
warm and why, what makes its pool, its environment with secrets masked, and the
limits in force. Nothing is run.
`,
		Flags: flags,
		Func:  runCommand,
	}
}

func runCommand(flags caddycmd.Flags) (int, error) {
	if flags.NArg() != 2 || flags.Arg(0) != "inspect" {
		return caddy.ExitCodeFailedStartup, errors.New("caddy prefork-cgi inspect <url>: a URL such as https://example.org/app.pl, or a path such as /app.pl")
	}
	address, err := caddycmd.DetermineAdminAPIAddress(flags.String("address"), nil, flags.String("config"), flags.String("adapter"))
	if err != nil {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("cannot find the admin endpoint: %w", err)
	}
	header := http.Header{"Accept": {"text/plain"}}
	if flags.Bool("json") {
		header.Set("Accept", "application/json")
	}
	uri := "/prefork_cgi/inspect?url=" + url.QueryEscape(flags.Arg(1))
	resp, err := caddycmd.AdminAPIRequest(address, http.MethodGet, uri, header, nil)
	if err != nil {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("cannot ask Caddy at %s: %w", address, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err = io.Copy(os.Stdout, resp.Body); err != nil {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("cannot read Caddy's answer: %w", err)
	}
	return caddy.ExitCodeSuccess, nil
}
