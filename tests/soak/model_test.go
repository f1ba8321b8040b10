package soak

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// A trial is a model of one script, which has been saved some times, and answers are put to.
type trial struct {
	*model
	script *script
}

func newTrial(saves int) *trial {
	m := newModel()
	m.config.begin(false)
	m.config.end()
	s := &script{path: "app.pl", serves: 1}
	for range saves {
		s.begin(false)
		s.end()
	}
	return &trial{m, s}
}

// answer returns a right one but for what edit changes.
func (tr *trial) answer(version int, edit func(*answer)) *answer {
	a := &answer{script: tr.script, token: "t1", body: "body", sent: time.Now(), status: 200, newest: tr.script.newest(), tries: 1}
	a.text = fmt.Sprintf("%d 0 1 1 t1 4\nbody\nend %[1]d\n", version)
	a.done = a.sent.Add(time.Millisecond)
	if edit != nil {
		edit(a)
	}
	return a
}

func (tr *trial) want(t *testing.T, a *answer, o outcome, violations int) {
	t.Helper()
	before := len(tr.violations)
	if got := tr.judge(a); got != o || len(tr.violations)-before != violations {
		t.Errorf("%s: %q is judged %q, with violations %q", a, a.text, got, tr.violations[before:])
	}
}

func TestModelKnowsWrongAnswers(t *testing.T) {
	tr := newTrial(3)
	tr.want(t, tr.answer(3, nil), right, 0)
	tr.want(t, tr.answer(2, nil), wrong, 1)
	tr.want(t, tr.answer(4, nil), wrong, 1)
	for name, edit := range map[string]func(*answer){
		"another's token":    func(a *answer) { a.token = "t2" },
		"another's body":     func(a *answer) { a.body = "ydob" },
		"the second of two":  func(a *answer) { a.text = "3 0 1 2 t1 4\nbody\nend 3\n" },
		"half":               func(a *answer) { a.text = a.text[:15] },
		"nothing":            func(a *answer) { a.text = "" },
		"more":               func(a *answer) { a.text += "." },
		"two versions":       func(a *answer) { a.text = "3 0 1 1 t1 4\nbody\nend 2\n" },
		"old configuration":  func(a *answer) { a.text = "3 0 0 1 t1 4\nbody\nend 3\n" },
		"wrong, broken off":  func(a *answer) { a.text, a.err = "3 0 1 1 t1 4\nbud", errors.New("broken") },
		"broken off by none": func(a *answer) { a.err = errors.New("broken") },
		"502":                func(a *answer) { a.status = 502 },
		"no answer":          func(a *answer) { a.status = 0 },
		"a second try":       func(a *answer) { a.tries = 2 },
	} {
		before := len(tr.violations)
		if tr.judge(tr.answer(3, edit)); len(tr.violations) != before+1 {
			t.Errorf("%s is no violation", name)
		}
	}
}

func TestModelPermitsBothVersionsWhileASaveIsUnderWay(t *testing.T) {
	tr := newTrial(1)
	tr.script.begin(false)
	during := tr.answer(2, nil)
	during.done = time.Now()
	tr.want(t, during, right, 0)
	tr.want(t, tr.answer(1, nil), right, 0)
	before := tr.answer(1, nil)
	tr.script.end()
	tr.want(t, before, right, 0)
	tr.want(t, tr.answer(1, nil), wrong, 1)
}

func TestModelPermitsNoBrokenVersion(t *testing.T) {
	tr := newTrial(1)
	tr.script.begin(true)
	tr.script.end()
	tr.want(t, tr.answer(1, nil), wrong, 1)
	tr.want(t, tr.answer(2, nil), wrong, 1)
	tr.script.stale = true
	tr.want(t, tr.answer(1, nil), right, 0)
}

func TestStaleVersionNeverReturns(t *testing.T) {
	tr := newTrial(3)
	tr.script.stale = true
	tr.want(t, tr.answer(1, nil), right, 0)
	tr.want(t, tr.answer(2, nil), right, 0)
	tr.want(t, tr.answer(1, nil), wrong, 1)
}

func TestEffectExplainsWhatIsUnderWay(t *testing.T) {
	tr := newTrial(1)
	failed := func(a *answer) { a.status = 502 }
	tr.want(t, tr.answer(1, failed), "502", 1)
	early := tr.answer(1, failed)
	early.done = time.Now().Add(-time.Second)
	e := tr.expect("kill", tr.script, "502")
	tr.want(t, early, "502", 1)
	tr.want(t, tr.answer(1, failed), "502", 0)
	tr.want(t, tr.answer(1, func(a *answer) { a.status = 503 }), "503", 1)
	during := tr.answer(1, failed)
	tr.over(e, 0)
	tr.want(t, during, "502", 0)
	tr.want(t, tr.answer(1, failed), "502", 1)
	other := tr.answer(1, failed)
	other.script = &script{path: "other.pl", serves: 1}
	tr.expect("kill", tr.script, "502")
	tr.want(t, other, "502", 1)
}
