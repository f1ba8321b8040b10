package e2e

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// saves are ways to write a file. Nobody may see half of what the first two write.
var saves = map[string]func(path, text string) error{
	"rename": func(path, text string) error {
		if err := os.WriteFile(path+".new", []byte(text), 0o755); err != nil {
			return err
		}
		return os.Rename(path+".new", path)
	},
	"overwrite": func(path, text string) error {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteString(text)
		return err
	},
	"truncate and write": func(path, text string) error {
		return os.WriteFile(path, []byte(text), 0o755)
	},
}

// numbered is a script that says its number, always of the same length.
func numbered(n int) string {
	return fmt.Sprintf("#!/usr/bin/perl\nuse strict; use POSIX ();\nprint \"Content-Type: text/plain\\n\\n\", %d;\n", 100_000+n)
}

// saveOften saves a script 100 times a second for some time, while four clients ask
// for it all the time; then it asks once more. Each reply is handed to check, with the
// number that had been saved before it was asked for. It returns how many setups a
// second there were, and the last number.
func saveOften(t *testing.T, s *site.Site, save func(path, text string) error, length time.Duration, check func(saved, got int, r site.Reply)) (rate float64, last int) {
	t.Helper()
	var saved, asked atomic.Int64
	ask := func(context.Context) {
		before := int(saved.Load())
		r := s.Get("/app.pl")
		got, _ := strconv.Atoi(r.Body)
		check(before, got-100_000, r)
		asked.Add(1)
	}
	ask(t.Context())
	setups := func() int {
		return len(s.Entries("script is ready")) + len(s.Entries("script cannot be started"))
	}
	first, began := setups(), time.Now()
	var clients sync.WaitGroup
	for range 4 {
		stop := background(ask)
		clients.Go(func() {
			for time.Since(began) < length {
				time.Sleep(10 * time.Millisecond)
			}
			stop()
		})
	}
	defer clients.Wait()
	for time.Since(began) < length {
		site.Must(t, save(s.Path("app.pl"), numbered(last+1)))
		last++
		saved.Store(int64(last))
		time.Sleep(10 * time.Millisecond)
	}
	clients.Wait()
	rate = float64(setups()-first) / time.Since(began).Seconds()
	t.Logf("%d saves, %d requests, %.1f setups a second", last, asked.Load(), rate)
	ask(t.Context())
	return rate, last
}

// stormLength is for how long sources are saved all the time.
func stormLength() time.Duration {
	if testing.Short() {
		return 2 * time.Second
	}
	return 11 * time.Second // longer than a replacement can be put off
}

func TestStormOfSavesIsNeverStale(t *testing.T) {
	for _, name := range []string{"rename", "overwrite"} {
		t.Run(name, func(t *testing.T) {
			s := site.Serve(t, "prefork_cgi", map[string]string{"app.pl": numbered(0)})
			length := stormLength()
			rate, last := saveOften(t, s, saves[name], length, func(saved, got int, r site.Reply) {
				if r.Status != 200 || got < saved {
					t.Errorf("after save %d: %d %q, %v", saved, r.Status, r.Body, r.Err)
				}
			})
			s.Want(s.Get("/app.pl"), 200, strconv.Itoa(100_000+last))
			if rate > 4+4/length.Seconds() { // the first few need not wait
				t.Errorf("%.1f setups a second", rate)
			}
		})
	}
}

func TestStormOfSavesFailsNoRequest(t *testing.T) {
	for name, save := range saves {
		t.Run(name, func(t *testing.T) {
			s := site.Serve(t, "prefork_cgi {\n reload stale\n}", map[string]string{"app.pl": numbered(0)})
			length := stormLength()
			if name == "truncate and write" {
				length = min(length, 8*time.Second) // after 10 s half a file may be taken for the whole
			}
			newest := atomic.Int64{}
			rate, last := saveOften(t, s, save, length, func(saved, got int, r site.Reply) {
				if r.Status != 200 || got < 0 {
					t.Errorf("after save %d: %d %q, %v", saved, r.Status, r.Body, r.Err)
				}
				newest.Store(int64(max(got, int(newest.Load()))))
			})
			if length > 10*time.Second && newest.Load() == 0 {
				t.Error("the first version was served all the time")
			}
			s.Await("the last version", func() error {
				if r := s.Get("/app.pl"); r.Body != strconv.Itoa(100_000+last) {
					return fmt.Errorf("%d %q", r.Status, r.Body)
				}
				return nil
			})
			if rate > 4 {
				t.Errorf("%.1f setups a second", rate)
			}
		})
	}
}
