package caddymod

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/prefork-cgi/prefork-cgi/cgi"
)

// A permission is one entry on the way to a file that a script's start needs: what Caddy
// must be allowed to do with it, and what to do if it is not.
type permission struct {
	For   string      `json:"for"` // script, interpreter, dir
	Path  string      `json:"path"`
	Link  string      `json:"link,omitempty"`
	Mode  string      `json:"mode,omitempty"`
	Owner string      `json:"owner,omitempty"`
	Group string      `json:"group,omitempty"`
	Needs []cgi.Right `json:"needs,omitempty"`
	OK    bool        `json:"ok"`
	Wrong string      `json:"wrong,omitempty"`
	Fix   string      `json:"fix,omitempty"`
}

// A caller is whose rights are looked at.
type caller struct {
	uid  int
	gids []int // sorted, its own and all that it is in
}

// ourselves returns who this process is.
func ourselves() caller {
	groups, _ := os.Getgroups()
	return caller{os.Geteuid(), slices.Compact(slices.Sorted(slices.Values(append(groups, os.Getegid()))))}
}

// permissions adds the steps of a way to a list, but for those that are there.
func permissions(list []permission, purpose string, way []cgi.Step) []permission {
	us := ourselves()
	for _, step := range way {
		p := permission{For: purpose, Path: step.Path, Link: step.Link, Needs: step.Needs}
		if step.Info != nil {
			p.Mode, p.Owner, p.Group = step.Info.Mode().String(), userName(step.UID), groupName(step.GID)
		}
		p.Wrong, p.Fix = us.verdict(step)
		p.OK = p.Wrong == ""
		if !slices.ContainsFunc(list, func(q permission) bool { return q.Path == p.Path && slices.Equal(q.Needs, p.Needs) }) {
			list = append(list, p)
		}
	}
	return list
}

// verdict says what is wrong with a step, and what to do; both are empty if it can be
// taken.
func (c caller) verdict(step cgi.Step) (wrong, fix string) {
	switch {
	case errors.Is(step.Err, fs.ErrNotExist) && step.Link == "":
		return "does not exist", "create it, or correct the path"
	case step.Err != nil:
		return step.Err.Error(), "look at the path and its file system"
	case len(step.Lacks) == 0:
		return "", ""
	}
	lacks := make([]string, len(step.Lacks))
	for i, right := range step.Lacks {
		lacks[i] = string(right)
	}
	return userName(c.uid) + " may not " + strings.Join(lacks, " or ") + " it", c.remedy(step)
}

// remedy returns the command that gives what is lacking; or what else to look at, if the
// mode gives it already.
func (c caller) remedy(step cgi.Step) string {
	class, read, execute := c.class(step)
	var letters []string
	if slices.Contains(step.Lacks, cgi.Read) && step.Info.Mode()&read == 0 {
		letters = append(letters, "r")
	}
	executes := slices.Contains(step.Lacks, cgi.Execute)
	if (executes || slices.Contains(step.Lacks, cgi.Enter)) && step.Info.Mode()&execute == 0 {
		letters = append(letters, "x")
	}
	if letters == nil {
		return "the mode allows it: look for an ACL, a security module, or the option noexec of its mount"
	}
	fix := fmt.Sprintf("chmod %s+%s %s", class, strings.Join(letters, ""), step.Path)
	if executes && slices.Contains(step.Needs, cgi.Read) { // a script and no interpreter
		fix += ", or name a program for it by interpreter"
	}
	return fix
}

// class returns the class of users that c is in, as chmod has it, and the bits of a mode
// that are for that. Root may do whatever anybody may.
func (c caller) class(step cgi.Step) (class string, read, execute fs.FileMode) {
	switch {
	case c.uid == 0:
		return "", 0o444, 0o111
	case step.UID == c.uid:
		return "u", 0o400, 0o100
	case slices.Contains(c.gids, step.GID):
		return "g", 0o040, 0o010
	}
	return "o", 0o004, 0o001
}

// userName returns the name of a user, or the number of one who has none.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// groupName returns the name of a group, or its number.
func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}
