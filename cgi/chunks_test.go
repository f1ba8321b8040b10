package cgi

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// decode decodes text in pieces of so many bytes.
func decode(text string, size int) (body string, c *Chunks, err error) {
	c = new(Chunks)
	for rest := []byte(text); len(rest) > 0; {
		n := min(size, len(rest))
		p, err := c.Decode(rest[:n:n])
		if err != nil {
			return body, c, err
		}
		body += string(p)
		rest = rest[n:]
	}
	return body, c, nil
}

func TestChunksAreTakenFromABody(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 ` map[] false`,
		"4\r\nbody":                        `body map[] false`,
		"4\r\nbody\r\n0\r\n":               `body map[] false`,
		"4\r\nbody\r\n0\r\n\r\n":           `body map[] true`,
		"4\nbody\n0\n\nmore":               `body map[] true`,
		"2\r\nbo\r\n2;a=b\r\ndy\r\n00\n\n": `body map[] true`,
		"a \r\n0123456789\r\n0\r\nX-Sum: 1\r\nTe: x\r\nContent-Length: 1\r\nx-sum:2\r\n\r\n": `0123456789 map[X-Sum:[1 2]] true`,
	} {
		for _, size := range []int{1, 2, 3, 1000} {
			body, c, err := decode(text, size)
			if got := fmt.Sprint(body, " ", c.Trailer, " ", c.Complete()); err != nil || got != want {
				t.Errorf("%q, %d bytes a piece: %s, error %v; want %s", text, size, got, err, want)
			}
		}
	}
}

func TestBadChunksAreRefused(t *testing.T) {
	for _, text := range []string{
		"body\n", "-1\n", "\n", "4\r\nbody!\r\n", "8000000000000000\n", "0\nno field\n", "0\nA b: c\n", "0\nA: b\x00\n",
		strings.Repeat("0", chunkLineLimit+1),
	} {
		var header *HeaderError
		if _, _, err := decode(text, 1000); !errors.As(err, &header) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// FuzzChunks looks for a body that is another one if it comes in other pieces.
func FuzzChunks(f *testing.F) {
	f.Add("4\r\nbody\r\n0\r\nX-Sum: 1\r\n\r\n", 3)
	f.Add("4;a\nbody\n0\n\nrest", 1)
	f.Add("ffffffffffffffff\r\n", 5)
	f.Fuzz(func(t *testing.T, text string, size int) {
		if size < 1 {
			return
		}
		whole, one, errWhole := decode(text, max(1, len(text)))
		pieces, other, errPieces := decode(text, size)
		if (errWhole == nil) != (errPieces == nil) {
			t.Fatalf("%v; in pieces %v", errWhole, errPieces)
		}
		if errWhole == nil && (whole != pieces || fmt.Sprint(one.Trailer) != fmt.Sprint(other.Trailer) || one.Complete() != other.Complete()) {
			t.Fatalf("%q; in pieces %q", whole, pieces)
		}
	})
}
