// Package soak puts a real Caddy with real scripts under load and does to it what
// may happen to a server: processes are killed and stopped, sources edited and
// broken, configurations loaded, clients leave. A model judges every response.
//
//	clients ────▶ Caddy ────▶ scripts     each response goes to the model
//	injector ───▶ processes, sources,     each fault says beforehand what it may
//	              configurations          cause, for whom, and until when
//	model                                 right body, right version, or explained
//	census                                what there is when nothing runs
//
// A response is right if it is complete, has the request's own token and body, and
// names versions of script, modules and configuration that were in force while the
// request was under way: at least those that were so when it was sent. Anything else
// must be what a fault has announced; what is not is a violation.
//
// Time is cut into rounds. At the end of each the pools go to nothing, and a census is
// taken; none may show more than the first.
//
// Everything that is decided at random depends on the seed alone; what comes of it
// depends on the machine, too.
package soak
