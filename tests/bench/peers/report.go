package main

import (
	"fmt"
	"io"
	"strconv"
)

// report writes all tables.
func (b *bench) report(w io.Writer, r results, firsts []first) {
	for _, clients := range connections {
		heading(w, "Clients: "+strconv.Itoa(clients))
		b.figures(r, clients).write(w)
	}
	for _, p := range pages {
		b.ratios(w, r, p)
	}
	if len(firsts) > 0 {
		heading(w, "First request of a cold pool, milliseconds")
		firstTable(firsts).write(w)
	}
	heading(w, "Claims")
	claimTable(r, firsts).write(w)
}

func heading(w io.Writer, text string) { fmt.Fprintf(w, "### %s\n\n", text) }

// figures is the table of all variants, for one number of clients.
func (b *bench) figures(r results, clients int) table {
	t := table{{"page: server", "p50 ms", "p99 ms", "requests/s", "CPU µs", "Caddy µs", "forks", "errors"}}
	for _, v := range b.variants {
		f := r[key(v.name(), clients)]
		own := unknown
		if v.front == caddy {
			own = number(f.Caddy)
		}
		t.add(v.page.name+": "+v.title, number(f.P50), number(f.P99), number(f.PerSecond), number(f.CPU), own,
			strconv.FormatFloat(f.Forks, 'f', 2, 64), strconv.Itoa(f.Errors))
	}
	return t
}

// ratios writes what each of ours is to each peer, for one page.
func (b *bench) ratios(w io.Writer, r results, p *page) {
	var peers, own []variant
	for _, v := range b.variants {
		switch {
		case v.page != p:
		case v.ours:
			own = append(own, v)
		default:
			peers = append(peers, v)
		}
	}
	if len(peers) == 0 || len(own) == 0 {
		return
	}
	heading(w, "Page "+p.name+": latency at 1 client / requests per second at 8, as multiples of the peer's")
	head := []string{"ours"}
	for _, peer := range peers {
		head = append(head, peer.title)
	}
	t := table{head}
	for _, v := range own {
		row := []string{v.title}
		for _, peer := range peers {
			row = append(row, orUnknown(r.latency(v.name(), peer.name()))+" / "+orUnknown(r.throughput(v.name(), peer.name())))
		}
		t.add(row...)
	}
	t.write(w)
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

// unknown stands for what has not been measured.
const unknown = "–"

func orUnknown(n float64, ok bool) string {
	if !ok {
		return unknown
	}
	return number(n)
}
