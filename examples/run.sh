#!/bin/bash
# Serves the example site until it is interrupted: examples/run.sh CADDY
#
# PORT and ADMIN_PORT choose ports; without them the first free ones from 8080 and
# 2019 on are taken. STATE is the folder for what the site writes.
set -euo pipefail

caddy=$(realpath "${1:?usage: examples/run.sh CADDY}")
EXAMPLES=$(cd "$(dirname "$0")" && pwd)
STATE=${STATE:-$EXAMPLES/../.run}
mkdir -p "$STATE"
STATE=$(cd "$STATE" && pwd)

# free PORT: prints the first port from PORT on to which nobody listens
free() {
	local port=$1
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		port=$((port + 1))
	done
	echo "$port"
}

# A repository for gitweb, made on the spot.
repository() {
	local bare=$STATE/git/example.git work
	[ -d "$bare" ] && return
	work=$(mktemp -d)
	git init -q "$work"
	cp -r "$EXAMPLES/site" "$EXAMPLES/Caddyfile" "$work"
	git -C "$work" add .
	git -C "$work" -c user.name=Example -c user.email=example@example.org commit -q -m 'The example site'
	git clone -q --bare "$work" "$bare"
	echo 'The example site of prefork-cgi' >"$bare/description"
	rm -rf "$work"
}

PORT=${PORT:-$(free 8080)}
ADMIN=localhost:${ADMIN_PORT:-$(free 2019)}
export EXAMPLES STATE PORT ADMIN
repository
printf 'EXAMPLES=%s\nSTATE=%s\nPORT=%s\nADMIN=%s\n' "$EXAMPLES" "$STATE" "$PORT" "$ADMIN" >"$STATE/env"

"$caddy" run --config "$EXAMPLES/Caddyfile" --adapter caddyfile &
pid=$!
trap 'kill -TERM $pid 2>/dev/null || true' INT TERM

for _ in {1..100}; do
	if (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; then
		echo "The example site is at http://127.0.0.1:$PORT/ (Ctrl-C ends it; make reload reloads its configuration)"
		break
	fi
	kill -0 $pid 2>/dev/null || break
	sleep 0.1
done

# wait returns early when a signal arrives; then Caddy is waited for once more.
status=0
wait $pid || status=$?
if kill -0 $pid 2>/dev/null; then
	status=0
	wait $pid || status=$?
fi
exit $status
