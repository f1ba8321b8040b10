package prefork

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// Messages on ctl, native dialect; see docs/protocol.md. Numbers are big-endian.
//
//	type     4 bytes of ASCII
//	length   4 bytes, of the payload
//	payload
const (
	// From the server.
	typeReady  = "PFN\n" // strings name=value
	typeLoaded = "file"  // strings: paths
	typeMissed = "miss"  // strings: paths
	typeOpened = "open"  // pairs of strings: descriptor, place
	typeNote   = "note"  // text
	typeCold   = "cold"  // text
	typeFailed = "fail"  // id, text
	typeDone   = "done"  // id, wait status, 3 × 8 bytes

	// To the server.
	typeFork = "fork" // id, requests if more than one; then 4 × 1 byte, each carrying a descriptor
	typeReap = "reap" // id

	headSize = 8
)

// appendNumbers appends a message whose payload is numbers: an id, and what belongs to
// it.
func appendNumbers(b []byte, kind string, numbers ...uint32) []byte {
	b = append(b, kind...)
	b = binary.BigEndian.AppendUint32(b, uint32(4*len(numbers))) //nolint:gosec // two at most
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// appendFork appends the message that has an executor made, for so many requests.
func appendFork(b []byte, id uint32, requests int) []byte {
	if requests == 1 {
		return appendNumbers(b, typeFork, id)
	}
	return appendNumbers(b, typeFork, id, uint32(min(requests, math.MaxInt32))) //nolint:gosec // it fits
}

// readHead reads what begins a message in both dialects: in v1 it is the greeting.
func readHead(r io.Reader) (kind string, length uint32, err error) {
	var head [headSize]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return "", 0, err
	}
	return string(head[:4]), binary.BigEndian.Uint32(head[4:]), nil
}

// readPayload reads what follows a head, which promises it.
func readPayload(r io.Reader, length uint32) ([]byte, error) {
	payload, err := readBounded(r, length)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return payload, err
}

// parseStrings splits strings that end in NUL.
func parseStrings(payload []byte) ([]string, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	text, ok := strings.CutSuffix(string(payload), "\x00")
	if !ok {
		return nil, errors.New("payload does not end in NUL")
	}
	return strings.Split(text, "\x00"), nil
}

// parseSettings splits strings of the form name=value. Those without a value are
// ignored, as are all that nobody asks for.
func parseSettings(payload []byte) (map[string]string, error) {
	list, err := parseStrings(payload)
	settings := map[string]string{}
	for _, s := range list {
		if name, value, ok := strings.Cut(s, "="); ok {
			settings[name] = value
		}
	}
	return settings, err
}

// parsePairs splits strings of which the first, third and so on are numbers.
func parsePairs(payload []byte) (map[int]string, error) {
	list, err := parseStrings(payload)
	if err != nil {
		return nil, err
	}
	if len(list)%2 != 0 {
		return nil, errors.New("a pair of strings has no second one")
	}
	pairs := map[int]string{}
	for i := 0; i < len(list); i += 2 {
		n, err := parseDigits(list[i], 31)
		if err != nil {
			return nil, fmt.Errorf("first string of a pair: %w", err)
		}
		pairs[n] = list[i+1]
	}
	return pairs, nil
}

// parseID takes the id from the front of a payload.
func parseID(payload []byte) (id uint32, rest []byte, err error) {
	if len(payload) < 4 {
		return 0, nil, fmt.Errorf("payload of %d bytes has no id", len(payload))
	}
	return binary.BigEndian.Uint32(payload), payload[4:], nil
}

// unknown is a number that a library could not learn.
const unknown = 1<<64 - 1

// parseDone reads the payload of a message of that type, behind the id.
func parseDone(payload []byte) (Status, error) {
	if len(payload) < 28 {
		return Status{}, fmt.Errorf("status has %d bytes, not 28", len(payload))
	}
	status := decodeStatus(binary.BigEndian.Uint32(payload))
	user, system := binary.BigEndian.Uint64(payload[4:]), binary.BigEndian.Uint64(payload[12:])
	peak := binary.BigEndian.Uint64(payload[20:])
	if user == unknown || system == unknown {
		return status, nil
	}
	status.Usage = &Usage{microseconds(user), microseconds(system), -1}
	if peak <= math.MaxInt64 {
		status.Usage.PeakMemory = int64(peak)
	}
	return status, nil
}

// microseconds returns a time, or the longest for nonsense.
func microseconds(n uint64) time.Duration {
	return time.Duration(min(n, 1<<63/1000-1)) * time.Microsecond
}
