package soak

import (
	"os"
	"time"
)

// save writes the next version of a script by how.
func (in *injector) save(s *script, broken bool, how func(path, text string)) {
	text := s.version(s.begin(broken))
	if broken {
		text = s.broken
	}
	how(s.path, text)
	s.end()
}

// renamed writes a file beside, and puts it in the place of the one that is there.
func (in *injector) renamed(path, text string) {
	beside := path + ".new"
	in.write(beside, text)
	in.must(os.Rename(in.run.site.Path(beside), in.run.site.Path(path)))
}

// aged is renamed with a time in the past, as deployments have it.
func (in *injector) aged(path, text string) {
	beside := path + ".new"
	in.write(beside, text)
	then := time.Now().Add(-time.Duration(1+in.client.random.IntN(10000)) * time.Hour)
	in.must(os.Chtimes(in.run.site.Path(beside), then, then))
	in.must(os.Rename(in.run.site.Path(beside), in.run.site.Path(path)))
}

// write writes a file where it is.
func (in *injector) write(path, text string) {
	in.must(os.WriteFile(in.run.site.Path(path), []byte(text), 0o755))
}

func (in *injector) renameOver(s *script) {
	how, kind := in.renamed, "save by renaming over"
	if in.client.random.IntN(3) == 0 {
		how, kind = in.aged, "save by renaming over, with an old time"
	}
	in.run.model.fault(kind, s.path)
	in.save(s, false, how)
	in.await(s)
}

// writeInPlace has a file that is empty for a moment: what reads it then fails.
func (in *injector) writeInPlace(s *script) {
	in.run.model.fault("save in place", s.path)
	e := in.run.model.expect("save in place of "+s.path, s, "502", "503")
	in.save(s, false, in.write)
	in.run.model.over(e, 0)
	in.await(s)
}

// touch changes a script's time and nothing else.
func (in *injector) touch(s *script) {
	in.run.model.fault("touch", s.path)
	now := time.Now()
	in.must(os.Chtimes(in.run.site.Path(s.path), now, now))
}

// storm saves a script many times, as tools do.
func (in *injector) storm(s *script) {
	in.run.model.fault("storm of saves", s.path)
	for range 20 {
		in.save(s, false, in.renamed)
		in.pause(10 * time.Millisecond)
	}
	in.await(s)
}

// breakAndMend saves what cannot be set up, and after a while what can. Where the old
// version may go on, nobody notices.
func (in *injector) breakAndMend(s *script) {
	in.run.model.fault("save a syntax error and mend it", s.path)
	var e *effect
	if s.stale {
		in.await(s) // so that there is something that can go on
	} else {
		e = in.run.model.expect("syntax error in "+s.path, s, "502", "503")
	}
	in.save(s, true, in.renamed)
	in.pause(time.Second)
	in.save(s, false, in.renamed)
	if e != nil {
		in.run.model.over(e, 0)
	}
	in.await(s)
}

// deleteAndCreate deletes a script, and writes it again after a while.
func (in *injector) deleteAndCreate(s *script) {
	in.run.model.fault("delete and create", s.path)
	e := in.run.model.expect("deletion of "+s.path, s, "404", "502", "503")
	in.save(s, true, func(path, _ string) { in.must(os.Remove(in.run.site.Path(path))) })
	in.pause(500 * time.Millisecond)
	in.save(s, false, in.renamed)
	in.run.model.over(e, 0)
	in.await(s)
}

// changeModule saves the module of a script, and now and then something before that
// is none.
func (in *injector) changeModule(s *script) {
	m := s.module
	in.run.model.fault("save a module", m.path)
	if in.client.random.IntN(3) == 0 {
		e := in.run.model.expect("syntax error in "+m.path, s, "502", "503")
		in.save(m, true, in.renamed)
		in.pause(300 * time.Millisecond)
		defer in.run.model.over(e, 0)
	}
	in.save(m, false, in.renamed)
}
