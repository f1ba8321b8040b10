package prefork

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// announce returns a number of bytes as the wire has it, and text.
func announce(n uint32, text string) string {
	return string(binary.BigEndian.AppendUint32(nil, n)) + text
}

func TestGreetingIsEightBytes(t *testing.T) {
	if got := string(appendGreeting([]byte("before "))); got != "before PFI\n\x00\x00\x00\x00" {
		t.Errorf("greeting is %q", got)
	}
}

func TestGreetingIsReadToItsEnd(t *testing.T) {
	for _, c := range []struct{ in, rest, wantErr string }{
		{"PFI\n\x00\x00\x00\x00", "", ""},
		{"PFI\n\x00\x00\x00\x00rest", "rest", ""},
		{"PFI\n\x00\x00\x00\x03extrest", "rest", ""},
		{"PFI\n" + announce(extensionLimit, strings.Repeat("x", extensionLimit)+"rest"), "rest", ""},
		{"PFI\n" + announce(extensionLimit+1, ""), "", "greeting announces 65537 bytes of extension data, limit 65536"},
		{"PFI\n" + announce(1<<32-1, ""), "", "greeting announces 4294967295 bytes"},
		{"PFI\r\x00\x00\x00\x00", "", `greeting is "PFI\r", not "PFI\n"`},
		{"HTTP/1.1", "", `greeting is "HTTP"`},
		{"", "", io.EOF.Error()},
		{"PFI\n\x00\x00\x00", "", io.ErrUnexpectedEOF.Error()},
		{"PFI\n\x00\x00\x00\x04ext", "", io.EOF.Error()},
	} {
		r := strings.NewReader(c.in)
		err := readGreeting(iotest.OneByteReader(r))
		if wrong(err, c.wantErr) {
			t.Errorf("%.20q: error is %v, want %q", c.in, err, c.wantErr)
		}
		if rest, _ := io.ReadAll(r); err == nil && string(rest) != c.rest {
			t.Errorf("%.20q: rest is %q", c.in, rest)
		}
	}
}

// wrong reports whether err is not nil where nothing is wanted, or does not say
// what is wanted.
func wrong(err error, want string) bool {
	if want == "" || err == nil {
		return err != nil || want != ""
	}
	return !strings.Contains(err.Error(), want)
}

func TestMessageIsEnvironmentThenArguments(t *testing.T) {
	for _, c := range []struct {
		env, args []string
		want      string
	}{
		{nil, nil, "\x00\x00\x00\x01\x00"},
		{[]string{"A=1"}, nil, "\x00\x00\x00\x05A=1\x00\x00"},
		{nil, []string{"x"}, "\x00\x00\x00\x03\x00x\x00"},
		{nil, []string{""}, "\x00\x00\x00\x02\x00\x00"},
		{[]string{"A=", "B=x=y"}, []string{"", "t w", "\xff="}, "\x00\x00\x00\x12A=\x00B=x=y\x00\x00\x00t w\x00\xff=\x00"},
	} {
		b, err := appendMessage([]byte("before "), c.env, c.args)
		if err != nil {
			t.Errorf("%q %q: %v", c.env, c.args, err)
			continue
		}
		message, ok := strings.CutPrefix(string(b), "before ")
		if message != c.want || !ok {
			t.Errorf("%q %q: message is %q, want %q", c.env, c.args, b, c.want)
		}
		env, args, err := readMessage(iotest.OneByteReader(strings.NewReader(message + "rest")))
		if !slices.Equal(env, c.env) || !slices.Equal(args, c.args) || err != nil {
			t.Errorf("%q %q: read back as %q %q, %v", c.env, c.args, env, args, err)
		}
	}
}

func TestMessageCarriesNothingAmbiguous(t *testing.T) {
	full := strings.Repeat("x", messageLimit-2) // with two NUL the limit
	for _, c := range []struct {
		env, args []string
		wantErr   string
	}{
		{[]string{"A=1\x00B=2"}, nil, `environment "A=1\x00B=2" contains a NUL byte`},
		{nil, []string{"a\x00"}, `argument "a\x00" contains a NUL byte`},
		{[]string{"A"}, nil, `environment "A" has no equals sign`},
		{[]string{""}, nil, `environment "" has no equals sign`},
		{nil, []string{full}, ""},
		{nil, []string{full + "x"}, "environment and arguments take 16777217 bytes, limit 16777216: argument list too long"},
	} {
		if _, err := appendMessage(nil, c.env, c.args); wrong(err, c.wantErr) {
			t.Errorf("%.20q %.20q: error is %v, want %q", c.env, c.args, err, c.wantErr)
		}
	}
}

func TestBadMessageIsRefused(t *testing.T) {
	for in, want := range map[string]string{
		"":                             io.EOF.Error(),
		"\x00\x00\x00":                 io.ErrUnexpectedEOF.Error(),
		announce(5, "A=1\x00"):         io.EOF.Error(),
		announce(messageLimit+1, ""):   "message has 16777217 bytes, limit 16777216",
		announce(1<<32-1, ""):          "message has 4294967295 bytes",
		announce(messageLimit, "\x00"): io.EOF.Error(),
		announce(0, ""):                "message does not end in NUL",
		announce(3, "A=1"):             "message does not end in NUL",
		announce(4, "\x00\x00aa"):      "message does not end in NUL",
		announce(4, "A=1\x00"):         "message has no empty string after the environment",
		announce(3, "A\x00\x00"):       `environment "A" has no equals sign`,
	} {
		if env, args, err := readMessage(strings.NewReader(in)); wrong(err, want) || env != nil || args != nil {
			t.Errorf("%q: got %q %q, %v; want %s", in, env, args, err, want)
		}
	}
}

func TestAnnouncedLengthAloneAllocatesNothing(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := readMessage(strings.NewReader(announce(messageLimit, "A=1")))
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > messageLimit/16 || err == nil {
		t.Errorf("a message of 7 bytes takes %d bytes, %v", n, err)
	}
}

func TestStatusIsFourBytes(t *testing.T) {
	for _, c := range []struct {
		wait uint32
		wire string
		want Status
	}{
		{0, "\x00\x00\x00\x00", Status{Known: true}},
		{0x0300, "\x00\x00\x03\x00", Status{Known: true, Code: 3}},
		{0xff00, "\x00\x00\xff\x00", Status{Known: true, Code: 255}},
		{0x0009, "\x00\x00\x00\x09", Status{Known: true, Signal: 9}},
		{0x008b, "\x00\x00\x00\x8b", Status{Known: true, Signal: 11}}, // with a core file
	} {
		if got := string(appendStatus(nil, c.wait)); got != c.wire {
			t.Errorf("%#x: written as %q", c.wait, got)
		}
		if got := readStatus(iotest.OneByteReader(strings.NewReader(c.wire + "rest"))); got != c.want {
			t.Errorf("%q: read as %+v, want %+v", c.wire, got, c.want)
		}
	}
}

func TestStatusThatDoesNotComeIsLost(t *testing.T) {
	for _, r := range []io.Reader{strings.NewReader(""), strings.NewReader("\x00\x00\x00"), iotest.ErrReader(errors.New("broken"))} {
		if got := readStatus(r); got != (Status{Lost: true}) {
			t.Errorf("got %+v", got)
		}
	}
}

// FuzzReadGreeting looks for a greeting that is read too far, or not far enough.
func FuzzReadGreeting(f *testing.F) {
	for _, seed := range []string{
		"PFI\n\x00\x00\x00\x00", "PFI\n\x00\x00\x00\x03extrest", "PFI\n\x00\x00\x00\x03ex", "PFI\n\xff\xff\xff\xff", "PFI", "HTTP/1.1 400",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		if err := readGreeting(r); err != nil {
			return
		}
		taken := len(in) - r.Len()
		if !bytes.HasPrefix(in, []byte(greetingMagic)) || taken != 8+int(binary.BigEndian.Uint32(in[4:])) || taken > 8+extensionLimit {
			t.Errorf("%d bytes are taken of %q", taken, in)
		}
	})
}

// FuzzReadMessage looks for a message that means two things: whatever can be read
// is written as the same bytes.
func FuzzReadMessage(f *testing.F) {
	for _, seed := range []string{
		announce(1, "\x00"), announce(18, "A=\x00B=x=y\x00\x00\x00t w\x00\xff=\x00"), announce(4, "\x00a\x00b"),
		announce(5, "A=1\x00\x00rest"), announce(3, "A\x00\x00"), announce(1<<31, "A=1\x00\x00"), "\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		env, args, err := readMessage(r)
		if err != nil {
			return
		}
		again, err := appendMessage(nil, env, args)
		if err != nil || !bytes.Equal(again, in[:len(in)-r.Len()]) {
			t.Errorf("%q is %q %q, which is written as %q, %v", in, env, args, again, err)
		}
	})
}
