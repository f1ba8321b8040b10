package prefork

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
)

// Messages on a call socket, protocol v1. Numbers are big-endian.
//
//	monitor ▶ us   greeting   "PFI\n", 4 bytes: length of extension data, the data
//	us ▶ monitor   signal     1 byte, zero: go on
//	us ▶ monitor   files      3 × 1 byte, each carrying a descriptor: stdin, stdout, stderr
//	us ▶ monitor   message    4 bytes: length, then strings that end in NUL:
//	                          NAME=value …, an empty one, arguments …
//	monitor ▶ us   status     4 bytes: the executor's wait status
const (
	greetingMagic = "PFI\n"

	// extensionLimit bounds what a greeting may make us read and forget.
	extensionLimit = 64 << 10

	// messageLimit bounds environment and arguments: the kernel's own bound for
	// execve is a quarter of the stack limit, 2 MiB by default.
	messageLimit = 16 << 20
)

// appendGreeting appends a greeting without extension data.
func appendGreeting(b []byte) []byte {
	return append(b, greetingMagic+"\x00\x00\x00\x00"...)
}

// readGreeting reads a greeting and skips its extension data.
func readGreeting(r io.Reader) error {
	kind, length, err := readHead(r)
	if err != nil {
		return err
	}
	if kind != greetingMagic {
		return fmt.Errorf("greeting is %q, not %q", kind, greetingMagic)
	}
	return skipExtension(r, length)
}

// skipExtension skips the extension data of a greeting.
func skipExtension(r io.Reader, length uint32) error {
	if length > extensionLimit {
		return fmt.Errorf("greeting announces %d bytes of extension data, limit %d", length, extensionLimit)
	}
	_, err := io.CopyN(io.Discard, r, int64(length))
	return err
}

// appendMessage appends the message that carries environment and arguments.
func appendMessage(b []byte, env, args []string) ([]byte, error) {
	if err := errors.Join(checkStrings("environment", env), checkStrings("argument", args)); err != nil {
		return nil, err
	}
	size := 4 + 1
	for _, list := range [...][]string{env, args} {
		for _, s := range list {
			size += len(s) + 1
		}
	}
	b = slices.Grow(b, size)
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	for _, s := range env {
		if !strings.Contains(s, "=") {
			return nil, fmt.Errorf("environment %q has no equals sign", s)
		}
		b = append(append(b, s...), 0)
	}
	b = append(b, 0)
	for _, s := range args {
		b = append(append(b, s...), 0)
	}
	n := len(b) - start - 4
	if n > messageLimit {
		return nil, fmt.Errorf("environment and arguments take %d bytes, limit %d: %w", n, messageLimit, syscall.E2BIG)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(n)) //nolint:gosec // at most messageLimit
	return b, nil
}

// readBounded reads n bytes. It grows as bytes arrive: a length alone allocates
// nothing.
func readBounded(r io.Reader, n uint32) ([]byte, error) {
	if n > messageLimit {
		return nil, fmt.Errorf("message has %d bytes, limit %d", n, messageLimit)
	}
	var body bytes.Buffer
	_, err := io.CopyN(&body, r, int64(n))
	return body.Bytes(), err
}

// readMessage is the monitor's side of appendMessage.
func readMessage(r io.Reader) (env, args []string, err error) {
	var head [4]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return nil, nil, err
	}
	body, err := readBounded(r, binary.BigEndian.Uint32(head[:]))
	if err != nil {
		return nil, nil, err
	}
	text, ok := strings.CutSuffix(string(body), "\x00")
	if !ok {
		return nil, nil, errors.New("message does not end in NUL")
	}
	all := strings.Split(text, "\x00")
	for i, s := range all {
		if s == "" {
			return all[:i], all[i+1:], nil
		}
		if !strings.Contains(s, "=") {
			return nil, nil, fmt.Errorf("environment %q has no equals sign", s)
		}
	}
	return nil, nil, errors.New("message has no empty string after the environment")
}

// appendStatus appends a wait status, as the system's wait call returns it.
func appendStatus(b []byte, wait uint32) []byte {
	return binary.BigEndian.AppendUint32(b, wait)
}

// readStatus reads what a monitor writes at the end of its call. End-of-file is
// no protocol error: the monitor was killed, and the status is lost.
func readStatus(r io.Reader) Status {
	var b [4]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return Status{Lost: true}
	}
	return decodeStatus(binary.BigEndian.Uint32(b[:]))
}

// decodeStatus decodes a wait status in the encoding that all Unixes share: the
// signal in bits 0 to 6, 0x80 for a core file, the exit code in bits 8 to 15.
func decodeStatus(wait uint32) Status {
	return Status{Known: true, Code: int(wait >> 8 & 0xff), Signal: int(wait & 0x7f)}
}
