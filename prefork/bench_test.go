package prefork

import (
	"bytes"
	"strconv"
	"testing"
)

// BenchmarkMessage writes, and reads, what a call transports.
func BenchmarkMessage(b *testing.B) {
	var env []string
	for i := range 40 {
		env = append(env, "HTTP_X_FIELD_"+strconv.Itoa(i)+"=some value that a browser sends")
	}
	message, err := appendMessage(nil, env, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := appendMessage(nil, env, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := readMessage(bytes.NewReader(message)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
