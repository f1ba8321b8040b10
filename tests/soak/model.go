package soak

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// An outcome is what has become of a request.
type outcome string

// Outcomes beside these are statuses, such as "502".
const (
	right     outcome = "right"
	wrong     outcome = "wrong"      // complete, and not what it should be: nothing explains that
	brokenOff outcome = "broken off" // after the header, and right as far as it goes
	noAnswer  outcome = "no answer"
	left      outcome = "left" // the client, on purpose
)

// An effect is what a fault may cause: some outcomes of requests that are under way
// in some time.
type effect struct {
	fault    string
	of       *script // nil: all
	outcomes []outcome
	from, to time.Time // to is zero while it lasts
}

func (e *effect) explains(a *answer, o outcome) bool {
	return (e.of == nil || e.of == a.script) && slices.Contains(e.outcomes, o) &&
		!e.from.After(a.done) && (e.to.IsZero() || !a.sent.After(e.to))
}

// remembered is how long an effect that is over is kept: longer than any request takes.
const remembered = 2 * time.Minute

// A model knows what may be answered, and counts what is.
type model struct {
	config source

	mu         sync.Mutex
	began      time.Time
	effects    []*effect
	history    []event
	counts     map[string]map[outcome]int // by script
	faults     map[string]int
	total      int
	violations []string
}

// An event is what has been done, for the history of a violation.
type event struct {
	at   time.Time
	text string
}

func newModel() *model {
	return &model{began: time.Now(), counts: map[string]map[outcome]int{}, faults: map[string]int{}}
}

// fault counts a fault of a kind, and notes what exactly is done, if that is said.
func (m *model) fault(kind, what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults[kind]++
	if what != "" {
		m.note(kind + ": " + what)
	}
}

// note is called with the mutex held.
func (m *model) note(text string) {
	now := time.Now()
	m.history = append(m.history, event{now, text})
	if len(m.history) > 4000 {
		m.history = slices.Clone(m.history[2000:])
	}
}

// expect announces what a fault may cause from now on, until over.
func (m *model) expect(fault string, of *script, outcomes ...outcome) *effect {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := &effect{fault: fault, of: of, outcomes: outcomes, from: time.Now()}
	m.effects = append(m.effects, e)
	return e
}

// over ends an effect: what is sent after another moment is not touched by it.
func (m *model) over(e *effect, moment time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e.to = time.Now().Add(moment)
	m.note(e.fault + " is over")
	m.effects = slices.DeleteFunc(m.effects, func(e *effect) bool { return !e.to.IsZero() && time.Since(e.to) > remembered })
}

// judge counts an answer, and notes a violation if nothing explains it.
func (m *model) judge(a *answer) outcome {
	o, why := m.outcome(a)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total++
	if m.counts[a.script.path] == nil {
		m.counts[a.script.path] = map[outcome]int{}
	}
	m.counts[a.script.path][o]++
	if o != right && o != left && !m.explained(a, o) {
		m.violate(fmt.Sprintf("%s: %s, %s", a, o, why), a.sent)
	}
	if o == right && a.tries > 1 && !m.explained(a, noAnswer) {
		m.violate(fmt.Sprintf("%s: its connection was closed", a), a.sent)
	}
	return o
}

// explained is called with the mutex held.
func (m *model) explained(a *answer, o outcome) bool {
	return slices.ContainsFunc(m.effects, func(e *effect) bool { return e.explains(a, o) })
}

// outcome tells what has become of a request, and why it is not right.
func (m *model) outcome(a *answer) (o outcome, why string) {
	switch {
	case a.left:
		return left, ""
	case a.status == 0:
		return noAnswer, fmt.Sprint(a.err)
	case a.status != 200:
		return outcome(fmt.Sprint(a.status)), a.text
	}
	why = m.check(a)
	switch {
	case why != "":
		return wrong, why
	case a.err != nil:
		return brokenOff, a.err.Error()
	}
	return right, ""
}

// check returns what is wrong with the text of an answer. One that is broken off is
// right as far as it goes.
func (m *model) check(a *answer) string {
	var script, module, config, count int
	head, _, ok := strings.Cut(a.text, "\n")
	if n, _ := fmt.Sscanf(head, "%d %d %d %d", &script, &module, &config, &count); !ok || n < 4 {
		if a.err != nil {
			return ""
		}
		return fmt.Sprintf("it says %q", clip(a.text))
	}
	want := fmt.Sprintf("%d %d %d %d %s %d\n%s\nend %d\n", script, module, config, count, a.token, len(a.body), a.body, script)
	if a.text != want && (a.err == nil || !strings.HasPrefix(want, a.text)) {
		return fmt.Sprintf("it says %q, which should be %q", clip(a.text), clip(want))
	}
	if count < 1 || count > a.script.serves {
		return fmt.Sprintf("it is the %d. of its process", count)
	}
	return m.checkVersions(a, script, module, config)
}

// checkVersions returns which version is not one that an answer may name.
func (m *model) checkVersions(a *answer, script, module, config int) string {
	least := a.script.inForce(a.sent)
	if a.script.stale {
		least = a.newest
	}
	if !a.script.permits(script, a.done, least) {
		return fmt.Sprintf("version %d of the script, where %d is the least", script, least)
	}
	if least = m.config.inForce(a.sent); !m.config.permits(config, a.done, least) {
		return fmt.Sprintf("version %d of the configuration, where %d is the least", config, least)
	}
	if a.script.module == nil {
		return ""
	}
	if least = a.script.module.inForce(a.sent); !a.script.module.permits(module, a.done, least) {
		return fmt.Sprintf("version %d of the module, where %d is the least", module, least)
	}
	return ""
}

// clip shortens a text for a message.
func clip(text string) string {
	if len(text) > 1000 {
		return text[:500] + " … " + text[len(text)-500:]
	}
	return text
}

// violate notes a violation, with what was done since shortly before it began. It is
// called with the mutex held.
func (m *model) violate(text string, since time.Time) {
	var b strings.Builder
	fmt.Fprintln(&b, text)
	for _, e := range m.history {
		if e.at.After(since.Add(-2 * time.Second)) {
			fmt.Fprintf(&b, "\t%9.3f %s\n", e.at.Sub(m.began).Seconds(), e.text)
		}
	}
	m.violations = append(m.violations, b.String())
}

// complain is violate for who does not judge.
func (m *model) complain(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.violate(fmt.Sprintf(format, args...), time.Now())
}

// report returns tables of all that is counted.
func (m *model) report() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	sums := map[outcome]int{}
	fmt.Fprintf(&b, "%d requests\n", m.total)
	for _, path := range slices.Sorted(maps.Keys(m.counts)) {
		fmt.Fprintf(&b, "  %-22s %s\n", path, listed(m.counts[path]))
		for o, n := range m.counts[path] {
			sums[o] += n
		}
	}
	fmt.Fprintf(&b, "  %-22s %s\n", "all", listed(sums))
	all := 0
	for _, n := range m.faults {
		all += n
	}
	fmt.Fprintf(&b, "%d faults\n", all)
	for _, kind := range slices.Sorted(maps.Keys(m.faults)) {
		fmt.Fprintf(&b, "  %-42s %d\n", kind, m.faults[kind])
	}
	return b.String()
}

func listed(counts map[outcome]int) string {
	var words []string
	for _, o := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%s %d", o, counts[o]))
	}
	return strings.Join(words, ", ")
}
