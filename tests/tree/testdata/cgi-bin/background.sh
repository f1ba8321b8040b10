#!/bin/sh
# Goes on for a moment after the answer, as old scripts do with mail.
printf 'Content-Type: text/plain\n\nsent\n'
(sleep 0.3; echo sent > data/mail) >/dev/null 2>&1 </dev/null &
