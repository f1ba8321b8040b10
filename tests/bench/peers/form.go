package main

import (
	"fmt"
	"strings"
)

// marker begins the line in a script that divides what is done once from what is
// done for each request.
const marker = "#### "

// warmOnly begins a line that is code where the script itself says where its setup
// ends: what an author adds there, so that it is done once.
const warmOnly = "#warm "

// A form is how a script is written for a kind of server: a text in which @ONCE@
// and @EACH@ stand for its two parts. The empty one is the script as it is.
type form string

const (
	plain form = ""

	perlLibrary form = `@ONCE@
use Proc::Prefork::Interp;
prefork_initialisation_complete(max_servers => 8, log_facility => '');
@EACH@`

	perlAccept form = `@ONCE@
use Proc::Prefork::Interp;
while (prefork_accept(max_servers => 8, log_facility => '')) {
    CGI::initialize_globals();
@EACH@}
`

	perlFastCGI form = `@ONCE@
use FCGI;
my $fcgi = FCGI::Request();
while ($fcgi->Accept() >= 0) {
    CGI::initialize_globals();
@EACH@}
`

	pythonLibrary form = `@ONCE@
import prefork_interp
prefork_interp.prefork_initialisation_complete()
@EACH@`

	pythonAccept form = `@ONCE@
import prefork_interp
while prefork_interp.accept():
@EACH@`

	pythonWSGI form = `@ONCE@
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [page(environ).encode()]
`
)

// write returns a script in this form.
func (f form) write(script string) (string, error) {
	if f == plain {
		return script, nil
	}
	once, rest, ok := strings.Cut(script, marker)
	if !ok {
		return "", fmt.Errorf("the script has no line that begins with %q", marker)
	}
	_, each, _ := strings.Cut(rest, "\n")
	var indented strings.Builder // Python wants it in a loop, and Perl does not mind
	for line := range strings.Lines(each) {
		if strings.Contains(string(f), "while") {
			indented.WriteString("    ")
		}
		indented.WriteString(line)
	}
	once = strings.ReplaceAll(once, warmOnly, "")
	return strings.NewReplacer("@ONCE@", once, "@EACH@", indented.String()).Replace(string(f)), nil
}
