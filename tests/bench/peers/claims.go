package main

// A claim is something that was asked of this module, and what it comes to here.
type claim struct {
	what, asked string
	measured    func(r results) (float64, bool)
}

// latency makes a claim about the latency at one client.
func latency(of, to, asked string) claim {
	return claim{"latency of " + of + " / " + to, asked, func(r results) (float64, bool) { return r.latency(of, to) }}
}

// throughput makes a claim about requests per second at eight clients.
func throughput(of, to, asked string) claim {
	return claim{"requests/s of " + of + " / " + to, asked, func(r results) (float64, bool) { return r.throughput(of, to) }}
}

// spread makes a claim about the slowest requests at eight clients.
func spread(of, asked string) claim {
	return claim{"p99 / p50 of " + of + " at 8", asked, func(r results) (float64, bool) {
		f, ok := r[key(of, 8)]
		return f.P99 / f.P50, ok && f.P50 > 0
	}}
}

// caddyCPU makes a claim about the CPU time of Caddy's own process.
func caddyCPU(of, asked string) claim {
	return claim{"CPU µs of Caddy alone, " + of + " at 1", asked, func(r results) (float64, bool) {
		f, ok := r[key(of, 1)]
		return f.Caddy, ok
	}}
}

var claims = []claim{
	latency("hello/explicit", "hello/interp", "≤ 0.10"),
	latency("hello/explicit", "hello/fcgi", "≤ 2.5"),
	throughput("hello/explicit", "hello/interp", "≥ 9"),
	latency("mason/explicit", "mason/interp", "≤ 0.20"),
	throughput("mason/explicit", "mason/interp", "≥ 5"),
	throughput("mason/unchanged", "mason/cold", "≥ 20"),
	throughput("mason/preload", "mason/cold", "≥ 20"),
	throughput("gitweb/unchanged", "gitweb/cold", "published"),
	latency("python/unchanged", "python/cold", "≤ 0.05"),
	throughput("python/unchanged", "python/cold", "≥ 15"),
	latency("hello/accept", "hello/fcgi", "≤ 1"),
	throughput("hello/accept", "hello/fcgi", "≥ 1"),
	latency("hello/reuse", "hello/fcgi", "≤ 1"),
	throughput("hello/reuse", "hello/fcgi", "≥ 1"),
	latency("mason/accept", "mason/fcgi", "≤ 1"),
	throughput("mason/accept", "mason/fcgi", "≥ 1"),
	latency("python/accept", "python/uwsgi", "≤ 1"),
	throughput("python/accept", "python/uwsgi", "≥ 1"),
	latency("python/reuse", "python/uwsgi", "≤ 1"),
	throughput("python/reuse", "python/uwsgi", "≥ 1"),
	spread("hello/explicit", "≤ 5"),
	spread("hello/unchanged", "≤ 5"),
	spread("mason/explicit", "≤ 5"),
	spread("python/unchanged", "≤ 5"),
	caddyCPU("hello/explicit", "< 120"),
	caddyCPU("hello/unchanged", "< 120"),
	caddyCPU("nothing/respond", "for comparison"),
}

// claimTable says what was asked, and what was measured. It judges nothing.
func claimTable(r results, firsts []first) table {
	t := table{{"claim", "asked", "measured"}}
	for _, c := range claims {
		t.add(c.what, c.asked, orUnknown(c.measured(r)))
	}
	for _, f := range firsts {
		t.add("first request of "+f.Variant+" / by hand", "≤ 1.1", number(f.First/f.ByHand))
	}
	return t
}
