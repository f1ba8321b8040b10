package prefork

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestForkPointIsACallOutsideComments(t *testing.T) {
	filler := strings.Repeat("#\n", forkPointLimit/2)
	file := filepath.Join(t.TempDir(), "app")
	for text, want := range map[string]bool{
		"":                                  false,
		"#!/bin/sh\nexit\n":                 false,
		"prefork_initialisation_complete":   true,
		"prefork_initialisation_complete()": true,
		"while (prefork_accept()) {":        true,
		"while prefork_interp.accept():":    true,
		"from prefork_interp import accept": true,
		"while PreforkInterp.accept":        true,
		"import prefork_interp":             false,
		"#!/usr/bin/perl\n  Proc::Prefork::Interp::prefork_initialisation_complete(max_servers => 2);\n": true,
		"require 'prefork'\nPrefork.prefork_initialisation_complete # warm\n":                            true,
		"# prefork_initialisation_complete\n":                                                            false,
		" \t#prefork_initialisation_complete\n":                                                          false,
		"# a\r\n# prefork_initialisation_complete\r\n":                                                   false,
		"# prefork_initialisation_complete\nprefork_initialisation_complete\n":                           true,
		"print 1;\n\n=head1 NAME\n\nprefork_initialisation_complete\n\n=cut\n":                           false,
		"=pod\n\nx\n\n=cut\n\nprefork_initialisation_complete();\n":                                      true,
		"=pod\n\n=begin html\n\n=end html\n\nprefork_initialisation_complete\n\n=cut\n":                  false,
		"print <<__END__;\nx\n__END__\nprefork_initialisation_complete();\n":                             true,
		"=begin\nprefork_initialisation_complete\n=end\n":                                                false,
		"print 1;\n__END__\nprefork_initialisation_complete\n":                                           false,
		"print 1;\r\n__DATA__\r\nprefork_initialisation_complete\n":                                      false,
		"prefork_initialization_complete()\n":                                                            false,
		"prefork_initialisation_\ncomplete()\n":                                                          false,
		"\x7fELF\x00prefork_initialisation_complete\x00":                                                 true,
		filler[:forkPointLimit-len(forkPointName)-1] + "\n" + forkPointName:                              true,
		filler + forkPointName: false,
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if call, err := findForkPoint(file); (call != "") != want || err != nil {
			t.Errorf("%.80q of %d bytes: call %q, %v", text, len(text), call, err)
		}
	}
}

func TestScriptThatCannotBeReadIsColdOrAnError(t *testing.T) {
	folder := t.TempDir()
	if _, err := findForkPoint(filepath.Join(folder, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := findForkPoint(folder); err == nil {
		t.Error("a folder is no error")
	}
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	file := filepath.Join(folder, "binary")
	if err := os.WriteFile(file, []byte(forkPointName), 0o111); err != nil {
		t.Fatal(err)
	}
	if got, err := findForkPoint(file); got != "" || err != nil {
		t.Errorf("a file that can only be executed: got %v, %v", got, err)
	}
}
