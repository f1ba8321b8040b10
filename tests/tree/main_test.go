// Package tree serves a whole folder of scripts as people have them, by one
// directive and by Apache's mod_cgid, and wants the same answers.
//
//	testdata/cgi-bin   the scripts, and what stands beside them
//	testdata/tools     interpreters of the site's own, and a program in C
//	requests*_test.go  which requests are made, and what may differ
//	compare_test.go    what is masked, and what counts as the same
//	wire*_test.go      testdata/wire.txt: single requests and responses, odd ones too,
//	                   byte by byte, and each difference with its reason
//	testdata/modes.txt how each script is served, and why: -update writes it
package tree

import (
	"testing"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

func TestMain(m *testing.M) { site.Main(m) }
