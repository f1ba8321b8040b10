#!/bin/sh
# Installs those of the named Debian packages that are missing, if it can, and
# says which are missing if it cannot: install-packages.sh PACKAGE...
set -eu

missing=
for package in "$@"; do
	status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
	[ "$status" = 'install ok installed' ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	echo "Installing$missing"
	export DEBIAN_FRONTEND=noninteractive
	# The lists may be old, or absent, as in a fresh image.
	# shellcheck disable=SC2086 # a list of words
	apt-get install -qq -y --no-install-recommends $missing >/dev/null 2>&1 ||
		{ apt-get update -qq && apt-get install -qq -y --no-install-recommends $missing >/dev/null; }
	exit 0
fi
cat >&2 <<END
These Debian packages are missing, and only root can install them:
    sudo apt-get install --no-install-recommends$missing
END
exit 1
