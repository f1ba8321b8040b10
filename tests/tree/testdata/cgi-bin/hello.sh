#!/bin/sh
echo "Content-Type: text/plain"
echo
echo "Hello from $0, $QUERY_STRING, $# $PWD"
