package pool

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
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

// An Input is one of the things that an ident is made of.
type Input struct {
	Name   string // for people
	Values []string
}

// Inputs returns what the ident of s is made of: specs in which all of these are equal
// share a pool. The values belong to s.
func (s Spec) Inputs() []Input {
	c := s.Command
	one := []string{
		c.Script, s.ID, c.Dir, string(c.Warm), strconv.FormatBool(c.Installed), strconv.FormatBool(c.Reuse), string(c.ForkSafety),
	}
	env := c.Env
	if !slices.IsSorted(env) {
		env = slices.Sorted(slices.Values(env))
	}
	inputs := make([]Input, 0, 12)
	inputs = append(inputs, Input{"script", one[0:1]}, Input{"id", one[1:2]})
	if s.ID == "" {
		inputs = append(inputs,
			Input{"interpreter", c.Interpreter}, Input{"args", c.Args}, Input{"dir", one[2:3]}, Input{"warm", one[3:4]},
			Input{"library installed", one[4:5]}, Input{"reuse", one[5:6]}, Input{"fork_safety", one[6:7]},
			Input{"preload", c.Preload}, Input{"env", env},
		)
	}
	return append(inputs, Input{"identity", s.Identity})
}

// Ident returns the ident of s.
func (s Spec) Ident() Ident {
	b := make([]byte, 0, 1024)
	for _, input := range s.Inputs() {
		b = appendList(b, input.Values)
	}
	return sha256.Sum256(b)
}

// appendList adds strings so that no two different lists add the same bytes.
func appendList(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}
