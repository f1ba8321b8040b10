#!/bin/bash
name=${QUERY_STRING:-nobody}
cat <<-PAGE
	Content-Type: text/html

	<p>$name $(date -u -d @0 +%Y) ${name^^}
	PAGE
exit 3
