#!/bin/sh
printf 'Content-Type: %s\nX-Length: %s\n\n' "$CONTENT_TYPE" "$CONTENT_LENGTH"
exec cat
