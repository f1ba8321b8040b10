package cgi

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"
)

// readAll reads a spool to its end.
func readAll(s *ResponseSpool) ([]byte, error) {
	var all []byte
	for {
		p, _, err := s.Next()
		all = append(all, p...)
		if err != nil {
			return all, err
		}
	}
}

func TestResponseSpoolKeepsTheOrder(t *testing.T) {
	for _, size := range []int64{1, 1000, 100_000, 10_000_000} {
		synctest.Test(t, func(t *testing.T) {
			s := NewResponseSpool(size)
			defer s.Close()
			random := rand.New(rand.NewPCG(1, uint64(size)))
			want := make([]byte, 2_000_000)
			for i := range want {
				want[i] = byte(random.Uint32())
			}
			go func() { // until all is written
				for rest := want; len(rest) > 0; {
					n := min(len(rest), 1+random.IntN(40_000))
					if _, err := s.Write(rest[:n]); err != nil {
						t.Error(err)
					}
					rest = rest[n:]
				}
				s.End(io.EOF)
			}()
			synctest.Wait() // the script is as far ahead as it can be
			if held := s.Held(); held != min(size+memoryLimit, int64(len(want))) {
				t.Errorf("size %d: %d bytes are held", size, held)
			}
			if got, err := readAll(s); !errors.Is(err, io.EOF) || !bytes.Equal(got, want) {
				t.Errorf("size %d: %d bytes, error %v; they are not those that were written", size, len(got), err)
			}
			if err := s.Failure(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestResponseSpoolFileIsNoLargerThanItsSize(t *testing.T) {
	s := NewResponseSpool(100_000)
	defer s.Close()
	write := func(n int) {
		if _, err := s.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	write(memoryLimit + 34_000)
	for range 100 { // it is never empty, and its content moves on
		p, _, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		write(len(p))
	}
	info, err := s.file.file.Stat()
	if err != nil || info.Size() != 100_000 {
		t.Errorf("its file has %d bytes, error %v", info.Size(), err)
	}
}

func TestResponseSpoolSaysWhenToFlush(t *testing.T) {
	s := NewResponseSpool(1000)
	defer s.Close()
	next := func(want string, flushed bool) {
		t.Helper()
		if p, flush, err := s.Next(); string(p) != want || flush != flushed || err != nil {
			t.Errorf("got %q, flush %v, error %v; want %q, %v", p, flush, err, want, flushed)
		}
	}
	s.Flush()
	next("", true)
	_, _ = io.WriteString(s, "one")
	next("one", false)
	_, _ = io.WriteString(s, "two")
	s.Flush()
	next("two", true)
	_, _ = s.Write(make([]byte, memoryLimit))
	_, _ = io.WriteString(s, "file")
	s.Flush()
	next(strings.Repeat("\x00", memoryLimit), false)
	next("file", true)
	s.End(io.ErrUnexpectedEOF)
	if _, _, err := s.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("its end is %v", err)
	}
}

func TestResponseSpoolWithoutAFileWaitsForMemory(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/missing")
	synctest.Test(t, func(t *testing.T) {
		s := NewResponseSpool(1 << 20)
		defer s.Close()
		go func() { // until all is written
			_, _ = s.Write(make([]byte, 300_000))
			s.End(io.EOF)
		}()
		synctest.Wait()
		if held := s.Held(); held != memoryLimit {
			t.Errorf("%d bytes are held", held)
		}
		if got, err := readAll(s); !errors.Is(err, io.EOF) || len(got) != 300_000 {
			t.Errorf("%d bytes, error %v", len(got), err)
		}
		if err := s.Failure(); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the failure is %v", err)
		}
	})
}

func TestClosingAResponseSpoolEndsItsWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewResponseSpool(1)
		ended := make(chan error, 1)
		go func() { // until the spool is closed
			_, err := s.Write(make([]byte, 300_000))
			ended <- err
		}()
		synctest.Wait()
		s.Close()
		if err := <-ended; !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the writer was told %v", err)
		}
	})
}
