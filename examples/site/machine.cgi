#!/bin/sh
# A shell script: no library, no edit, one process per request.
escape() { sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g'; }

cat <<HTML
Content-Type: text/html; charset=utf-8

<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>This machine</title><link rel="stylesheet" href="/style.css"></head>
<body><h1>This machine</h1>
<pre>$(uptime 2>/dev/null | escape)
$(uname -srm | escape)</pre>
<h2>What a script is told</h2>
<pre>$(env | sort | escape)</pre>
<footer>process $$. <a href="/">Back</a></footer>
</body></html>
HTML
