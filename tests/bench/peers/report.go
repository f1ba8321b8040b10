package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
)

// report writes all tables.
func (b *bench) report(w io.Writer, r results, firsts []first) {
	heading(w, "Figures")
	b.figures(r).write(w)
	b.ratios(w, r)
	if len(firsts) > 0 {
		heading(w, "First request of a cold pool, milliseconds")
		firstTable(firsts).write(w)
	}
	heading(w, "Claims")
	claimTable(r, firsts).write(w)
}

func heading(w io.Writer, text string) { fmt.Fprintf(w, "### %s\n\n", text) }

// figures is the table of all variants.
func (b *bench) figures(r results) table {
	head := []string{"page: server"}
	for _, clients := range connections {
		n := fmt.Sprintf("%d: ", clients)
		head = append(head, n+"p50 ms", "p99 ms", "requests/s", "CPU µs", "Caddy µs", "forks", "errors")
	}
	t := table{head}
	for _, v := range b.variants {
		row := []string{v.page.name + ": " + v.title}
		for _, clients := range connections {
			f, ok := r[key(v.name(), clients)]
			if !ok {
				row = append(row, slices.Repeat([]string{"–"}, 7)...)
				continue
			}
			own := "–"
			if v.front == caddy {
				own = number(f.Caddy)
			}
			row = append(row, number(f.P50), number(f.P99), number(f.PerSecond), number(f.CPU), own,
				strconv.FormatFloat(f.Forks, 'f', 2, 64), strconv.Itoa(f.Errors))
		}
		t.add(row...)
	}
	return t
}

// ratios writes, for each page, what each of ours is to each peer.
func (b *bench) ratios(w io.Writer, r results) {
	for page := range pages {
		var peers, own []variant
		for _, v := range b.variants {
			switch {
			case v.page.name != page:
			case v.ours:
				own = append(own, v)
			default:
				peers = append(peers, v)
			}
		}
		if len(peers) == 0 || len(own) == 0 {
			continue
		}
		heading(w, "Page "+page+": latency at 1 client / requests per second at 8, as multiples of the peer's")
		head := []string{"ours"}
		for _, peer := range peers {
			head = append(head, peer.title)
		}
		t := table{head}
		for _, v := range own {
			row := []string{v.title}
			for _, peer := range peers {
				latency, ok1 := r.latency(v.name(), peer.name())
				throughput, ok2 := r.throughput(v.name(), peer.name())
				row = append(row, orUnknown(latency, ok1)+" / "+orUnknown(throughput, ok2))
			}
			t.add(row...)
		}
		t.write(w)
	}
}

// firstTable is the table of first requests.
func firstTable(firsts []first) table {
	t := table{{"page", "first request", "script by hand", "ratio"}}
	for _, f := range firsts {
		t.add(f.Variant, number(f.First), number(f.ByHand), number(f.First/f.ByHand))
	}
	return t
}

// number writes three digits, or as many as there are before the point.
func number(n float64) string {
	switch {
	case n >= 100:
		return strconv.FormatFloat(n, 'f', 0, 64)
	case n >= 10:
		return strconv.FormatFloat(n, 'f', 1, 64)
	}
	return strconv.FormatFloat(n, 'f', 2, 64)
}

func orUnknown(n float64, ok bool) string {
	if !ok {
		return "–"
	}
	return number(n)
}
