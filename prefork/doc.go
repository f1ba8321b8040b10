// Package prefork runs one script: warm, as a server that forks a fresh process
// for each call, or cold, as one exec per call.
//
// It knows nothing of HTTP, pools or configuration. A [Launcher] turns a
// [Command] into a [Process]; a Process turns a [Request] into a [Call]; a Call
// ends in a [Status]. [System] is the launcher of real processes.
//
// # Modes
//
// A script that names the library's call is explicit, one in a language of ours is
// automatic, and any other is cold; see choose. An automatic script whose setup
// goes wrong, or does what only a request may, is cold too. The script's library
// chooses the dialect: ours is native, Debian's speaks protocol v1. Both are in
// docs/protocol.md.
//
// # Processes of a warm script, native dialect
//
// Who is whose parent, and what crosses. Time runs downwards.
//
//	caddy ── fork, exec ──▶ SERVER                runs the script's top: loads modules
//	  │◀─ ready ──────────────┤
//	  │── fork, files ───────▶│
//	  │                       │ fork
//	  │                       └─▶ EXECUTOR        own process group, one per call
//	  │◀─ greeting ───────────────┤ parked: the greeting is read with the next request
//	  │── request ───────────────▶│
//	  │                           ┆ runs the script, and ends: looked at soon, or seen by pidfd
//	  │── reap ──────────────▶│
//	  │◀─ status, usage ──────┤
//
// The ends of all executors of a server are seen by one goroutine, which waits for one epoll
// instance, the [vigil]: while parked an executor is known by its call socket, and by its pidfd when it
// takes long or somebody waits for its end. Most do not: see sweep. Another goroutine hears what the
// server says on ctl. Neither may block.
//
// # Processes of a warm script, protocol v1
//
//	caddy ── fork, exec ──▶ SETUP                 runs the script's top: loads modules
//	  │                       │ fork at initialisation complete
//	  │◀─ exit 0, reaped ─────┤
//	  │                       └▶ SERVER           own session; waits, forks, runs nothing else
//	  │                            │ fork
//	  │◀─ greeting ───────────────┬┴▶ MONITOR     own process group, one per call
//	  │── request ───────────────▶│     │ fork
//	  │                           │     └▶ EXECUTOR   returns into the script; does the work
//	  │◀─ wait status ────────────┘            ends; the monitor reaps it, and ends
//
// # Descriptors
//
// The handover variable PREFORK_INTERP names four descriptors that setup
// inherits. Everything else this process holds is close-on-exec.
//
//	role     script's end                      our end                   end-of-file means
//	LISTEN   listening socket, non-blocking    rendezvous (O_PATH)       -
//	CALL     first call's socket, blocking     first call's socket       the other side is gone
//	WATCHI   pipe, write end, never written    sentinel, read end        the server is gone
//	WATCHE   pipe, read end, non-blocking      leash, write end          we are gone: server, quit
//	0        /dev/null                         -                         -
//	1, 2     pipe, write end                   capture, read end         nobody holds setup's stderr
//
// In the native dialect CALL is ctl, the control channel, and the others are closed at the
// fork point. Before an automatic fork point 0 is a [bait] and 1 a [tap]: they know
// whether setup has used them.
//
// LISTEN has no name in any file system or name space by the time the script
// starts: it is bound under a random name with mode 0600, unlinked at once, and
// reached through a descriptor of its inode. So a crash leaves no socket file
// behind, and no other user can connect.
//
// # Promises
//
// A script gets descriptors 0, 1 and 2 and no other (setup: the four above as
// well), the environment it is given and no other, default signal dispositions,
// no ambient capabilities, and a session of its own. The end of a call that was interrupted
// is told when its kin is gone. Whatever is killed, the
// others notice by end-of-file; the [guard] ends what cannot notice. Nothing
// here polls.
//
// The API carries no promise of stability before v1.0.0.
package prefork
