//go:build !linux

package pool

import "os"

// A signature tells whether a file is the file that it was, and unchanged, as
// well as that can be told in the same way everywhere.
type signature struct {
	exists, folder      bool
	size                int64
	mtimeSec, mtimeNsec int64
	ctimeSec, ctimeNsec int64
}

func sign(path string, link bool) signature {
	stat := os.Stat
	if link {
		stat = os.Lstat
	}
	info, err := stat(path)
	if err != nil {
		return signature{}
	}
	t := info.ModTime()
	return signature{
		exists: true, folder: info.IsDir(), size: info.Size(),
		mtimeSec: t.Unix(), mtimeNsec: int64(t.Nanosecond()),
		ctimeSec: t.Unix(), ctimeNsec: int64(t.Nanosecond()),
	}
}
