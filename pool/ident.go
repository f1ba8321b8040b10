package pool

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"strconv"

	"github.com/prefork-cgi/prefork-cgi/prefork"
)

// An Ident names a pool: the hash of all that must be equal for two requests to
// share a warm process.
type Ident [sha256.Size]byte

// String returns the first half in hexadecimal, which is enough to tell pools
// apart in a log.
func (i Ident) String() string { return hex.EncodeToString(i[:len(i)/2]) }

// A Spec is what a request asks for: the script, what else makes its pool, and
// the limits of that pool. The ident is made of Command and Identity alone, so
// limits and sources change in place.
type Spec struct {
	// Command is how the script is started. All of it is part of the ident.
	Command prefork.Command

	// Identity is what else separates pools, such as the value of a variable.
	Identity []string

	// ID, if not empty, stands for everything in Command but the script.
	ID string

	// Sources are files and folders beside the script that are watched.
	Sources []string

	// Limits of the pool.
	Limits Limits

	// Tenant is on whose account the pool's processes are, and Weight how much of the
	// budget it may have where others want it, too; at least 1. See [Budget].
	Tenant string
	Weight int

	// Template is what the configuration compares to tell whether a pool is
	// still wanted; the pool does not look into it.
	Template string
}

// Ident returns the ident of s.
func (s Spec) Ident() Ident {
	h := sha256.New()
	list(h, s.Command.Script, s.ID)
	if s.ID == "" {
		list(h, s.Command.Interpreter...)
		list(h, s.Command.Args...)
		list(h, s.Command.Dir)
		list(h, string(s.Command.Warm), strconv.FormatBool(s.Command.Installed), strconv.FormatBool(s.Command.Reuse), string(s.Command.ForkSafety))
		list(h, s.Command.Preload...)
		env := slices.Sorted(slices.Values(s.Command.Env))
		list(h, env...)
	}
	list(h, s.Identity...)
	return Ident(h.Sum(nil))
}

// list adds strings so that no two different lists add the same bytes.
func list(h hash.Hash, strings ...string) {
	var b []byte
	b = binary.AppendUvarint(b, uint64(len(strings)))
	for _, s := range strings {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	h.Write(b)
}
