package cgi

import "os"

// unlinkedFile makes a temporary file and takes its name away.
func unlinkedFile() (*os.File, error) {
	file, err := os.CreateTemp("", "prefork-cgi-body-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}
