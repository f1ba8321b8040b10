package pool

import "syscall"

// A signature tells whether a file is the file that it was, and unchanged. Any
// write, replacement, or change of owner, mode or times alters it.
type signature struct {
	exists, folder      bool
	dev, ino            uint64
	size                int64
	mtimeSec, mtimeNsec int64
	ctimeSec, ctimeNsec int64
}

// sign returns the signature of what is at path now.
func sign(path string, link bool) signature {
	stat := syscall.Stat
	if link {
		stat = syscall.Lstat
	}
	var st syscall.Stat_t
	if err := stat(path, &st); err != nil {
		return signature{}
	}
	// The types of these fields differ from one processor to the next.
	mtimeSec, mtimeNsec := st.Mtim.Unix()
	ctimeSec, ctimeNsec := st.Ctim.Unix()
	return signature{
		exists: true, folder: st.Mode&syscall.S_IFMT == syscall.S_IFDIR,
		dev: uint64(st.Dev), ino: st.Ino, size: st.Size, //nolint:unconvert // as said
		mtimeSec: mtimeSec, mtimeNsec: mtimeNsec,
		ctimeSec: ctimeSec, ctimeNsec: ctimeNsec,
	}
}
