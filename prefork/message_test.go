package prefork

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestMessagesAreReadBack(t *testing.T) {
	wire := appendNumbers(nil, typeFork, 7)
	if want := "fork\x00\x00\x00\x04\x00\x00\x00\x07"; string(wire) != want {
		t.Errorf("fork is %q, want %q", wire, want)
	}
	r := iotest.OneByteReader(bytes.NewReader(wire))
	kind, length, err := readHead(r)
	if err != nil || kind != typeFork || length != 4 {
		t.Fatalf("head is %q %d %v", kind, length, err)
	}
	payload, err := readPayload(r, length)
	if err != nil {
		t.Fatal(err)
	}
	if id, rest, err := parseID(payload); err != nil || id != 7 || len(rest) != 0 {
		t.Errorf("id is %d, rest %q, %v", id, rest, err)
	}
}

// done returns the payload of a done message behind the id.
func done(status uint32, numbers ...uint64) []byte {
	b := binary.BigEndian.AppendUint32(nil, status)
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

func TestDone(t *testing.T) {
	got, err := parseDone(done(3<<8, 1500, 2_000_000, 4<<20))
	if err != nil || got.Code != 3 || !got.Known || *got.Usage != (Usage{1500 * time.Microsecond, 2 * time.Second, 4 << 20}) {
		t.Errorf("status is %+v %+v, %v", got, got.Usage, err)
	}
	if got, err = parseDone(done(9, unknown, unknown, unknown)); err != nil || got.Signal != 9 || got.Usage != nil {
		t.Errorf("status is %+v, %v", got, err)
	}
	if got, err = parseDone(done(0, 1, 1, unknown)); err != nil || got.Usage.PeakMemory != -1 {
		t.Errorf("status is %+v %+v, %v", got, got.Usage, err)
	}
	if got, err = parseDone(done(0, 1<<63, 1, 1)); err != nil || got.Usage.User < 0 {
		t.Errorf("status is %+v %+v, %v", got, got.Usage, err)
	}
	if _, err = parseDone(done(0, 1, 1)[:19]); err == nil {
		t.Error("half a status is taken")
	}
}

func TestBadPayloadsAreRefused(t *testing.T) {
	for payload, want := range map[string]string{
		"a":              "does not end in NUL",
		"1\x00":          "no second one",
		"x\x00place\x00": "first string of a pair",
	} {
		if _, err := parsePairs([]byte(payload)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v, want %s", payload, err, want)
		}
	}
	if _, _, err := parseID([]byte("abc")); err == nil {
		t.Error("an id of three bytes is taken")
	}
	if _, err := readPayload(strings.NewReader(""), messageLimit+1); err == nil || !strings.Contains(err.Error(), "limit") {
		t.Errorf("error is %v", err)
	}
	if _, err := readPayload(strings.NewReader("abc"), 4); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error is %v", err)
	}
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte("PFN\n\x00\x00\x00\x07fds=3,4"))
	f.Add([]byte("file\x00\x00\x00\x03/a\x00"))
	f.Add([]byte("open\x00\x00\x00\x045\x00p\x00"))
	f.Add(append([]byte("done\x00\x00\x00\x20\x00\x00\x00\x01"), done(256, 1, 2, 3)...))
	f.Fuzz(func(t *testing.T, wire []byte) {
		r := bytes.NewReader(wire)
		for {
			_, length, err := readHead(r)
			if err != nil {
				return
			}
			payload, err := readPayload(r, length)
			if err != nil {
				return
			}
			if len(payload) != int(length) {
				t.Errorf("payload has %d bytes, announced were %d", len(payload), length)
			}
			_, _ = parseStrings(payload)
			_, _ = parsePairs(payload)
			_, _ = parseSettings(payload)
			if _, rest, err := parseID(payload); err == nil {
				if s, err := parseDone(rest); err == nil && s.Usage != nil && (s.Usage.User < 0 || s.Usage.System < 0) {
					t.Errorf("usage is %+v", s.Usage)
				}
			}
		}
	})
}
