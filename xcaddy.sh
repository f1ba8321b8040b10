#!/bin/sh
# Builds Caddy with this module: ./xcaddy.sh [xcaddy options, such as --with MODULE]
#
# By xcaddy if it can be had, on the PATH or from the module proxy; else by go
# build, which gives the same program but can add no further modules.
# The result is ./caddy, or what OUTPUT names.
set -eu
cd "$(dirname "$0")"

module=$(go list -m)
caddy_version=$(go list -m -f '{{.Version}}' github.com/caddyserver/caddy/v2)
output=${OUTPUT:-caddy}

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT

# xcaddy cannot be installed by `go install` everywhere, since that refuses
# modules with replacements; as a requirement of a module of its own it can.
find_xcaddy() {
	command -v xcaddy && return
	(
		cd "$tools"
		go mod init tools && go get github.com/caddyserver/xcaddy/cmd/xcaddy@v0.4.5 &&
			go build github.com/caddyserver/xcaddy/cmd/xcaddy
	) >"$tools/log" 2>&1 && echo "$tools/xcaddy"
}

if xcaddy=$(find_xcaddy); then
	echo "Building Caddy $caddy_version with $xcaddy"
	# The same flags as go build has here, so that both share what is compiled.
	XCADDY_GO_BUILD_FLAGS=${XCADDY_GO_BUILD_FLAGS--buildvcs=false} \
		"$xcaddy" build "$caddy_version" --output "$output" --with "$module@v0.0.0=$PWD" "$@"
elif [ $# -gt 0 ]; then
	echo "xcaddy cannot be had, and without it options have no effect: $*" >&2
	cat "$tools/log" >&2
	exit 1
else
	echo "xcaddy cannot be had; building Caddy $caddy_version with go build"
	go build -o "$output" ./cmd/caddy
fi
