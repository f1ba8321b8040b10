//go:build !linux

package cgi

import "os"

func unnamedFile() (*os.File, error) { return unlinkedFile() }
