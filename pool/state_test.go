package pool

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestServerMovesAsTheTableSaysAndNotOtherwise(t *testing.T) {
	for _, from := range states {
		for _, to := range states {
			allowed := strings.Contains(" "+joined(next[from])+" ", " "+string(to)+" ")
			if got := moves(from, to); got != allowed {
				t.Errorf("%s to %s: %v", from, to, got)
			}
		}
	}
}

// moves reports whether a server can make the move.
func moves(from, to state) (ok bool) {
	defer func() { ok = recover() == nil }()
	(&server{pool: &Pool{}, state: from}).move(to)
	return
}

func TestEveryStateLeadsToGone(t *testing.T) {
	for _, s := range states {
		if s != gone && !moves(s, gone) {
			t.Errorf("%s does not", s)
		}
	}
}

func TestPictureInDocIsTheTable(t *testing.T) {
	var picture strings.Builder
	for _, from := range states {
		if len(next[from]) > 0 {
			fmt.Fprintf(&picture, "//	%-8s -> %s\n", from, joined(next[from]))
		}
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil || !strings.Contains(string(doc), picture.String()) {
		t.Errorf("doc.go does not have\n%s", &picture)
	}
}

func joined(list []state) string {
	var words []string
	for _, s := range list {
		words = append(words, string(s))
	}
	return strings.Join(words, " ")
}
