package tree

import "strings"

// form is a body as a browser makes it; formHeader is what it says of it.
const form = "name=J%C3%BCrg+B&choice=1&choice=2&empty="

var formHeader = []string{"Content-Type: application/x-www-form-urlencoded"}

// upload is a form with a file in it.
var (
	upload = strings.ReplaceAll(`--cut
Content-Disposition: form-data; name="name"

somebody
--cut
Content-Disposition: form-data; name="file"; filename="a file.bin"
Content-Type: application/x-thing

`, "\n", "\r\n") + strings.Repeat("\x00\x01\r\n--cu", 5000) + "\r\n--cut--\r\n"
	uploadHeader = []string{"Content-Type: multipart/form-data; boundary=cut"}
)

// big is more than a pipe holds, and more than is kept in memory.
var big = strings.Repeat("0123456789abcdef", 1<<16)

// failed is the answer to a script that has failed before its header: RFC 9110
// has 502 for a server whose source of the answer is bad, Apache says 500.
func failed(path string) row { return row{path: path, ours: 502, apache: 500} }

var perlRows = []row{
	{path: "/hello.pl"},
	{path: "/hello.pl?you+and+me"},
	{path: "/hello.pl", method: "HEAD"},
	{path: "/form.pl?name=J%C3%BCrg&choice=1;choice=2"},
	{path: "/form.pl?query=ignored", body: form, header: formHeader},
	{path: "/form.pl"},
	{path: "/upload.pl", body: upload, header: uploadHeader},
	{path: "/counter.pl", remembers: true},
	{path: "/redirect.pl"},
	{path: "/location.pl"},
	{path: "/status.pl"},
	{path: "/cookies.pl", header: []string{"Cookie: session=a%20b%3Bc; theme=dark"}},
	{path: "/cookies.pl"},
	{path: "/pathinfo.pl/one/two%20three?x=%41"},
	{path: "/pathinfo.pl/a/"},
	{path: "/pathinfo.pl/"},
	{path: "/pathinfo.pl"},
	{path: "/bigpost.pl", body: big, header: []string{"Content-Type: application/octet-stream"}},
	{path: "/environment.pl/info?a=b", header: []string{"X-Strange.Name: 1", "Proxy: evil", "Accept: */*"}, masks: environment},
	{path: "/environment.pl", body: "text", header: formHeader, masks: environment},
	{path: "/state.pl"},
	{path: "/state.pl?two+words", masks: indexed},
	{path: "/image.pl"},
	{path: "/nph-raw.pl"},
	{path: "/chdir.pl"},
	{path: "/begin-chdir.pl"},
	{path: "/uselib.pl"},
	{path: "/data-section.pl"},
	{path: "/end-section.pl"},
	{path: "/heredoc.pl?somebody"},
	{path: "/template.pl"},
	{path: "/backticks.pl"},
	failed("/die.pl"),
	{path: "/exit3.pl"},
	{path: "/stderr.pl"},
	failed("/nothing.pl"),
	{path: "/bigout.pl"},
	{path: "/locale.pl"},
	{path: "/timezone.pl"},
	{path: "/begin-env.pl?q"},
	{path: "/use-open.pl", body: "größe\n", header: []string{"Content-Type: text/plain"}},
	{path: "/taint.pl?word"},
	{path: "/warn.pl"},
	{path: "/fatals.pl?abc"},
	{path: "/confess.pl"},
	{path: "/sqlite.pl?somebody", remembers: true},
	{path: "/end-block.pl"},
	{path: "/end-block-quiet.pl"},
	{path: "/signals.pl"},
	{path: "/alarm.pl"},
	{path: "/forkwait.pl"},
	{path: "/perl4.pl?name=A+B%21&z=1"},
	{path: "/perl4.pl", body: form, header: formHeader},
	{path: "/require-late.pl?ann"},
	{path: "/polyglot.pl?q"},
	{path: "/envperl.pl"},
	{path: "/envsplit.pl"},
	{path: "/envset.pl"},
	{path: "/wrapped-sh.pl"},
	{path: "/wrapped-c.pl"},
	failed("/syntax.pl"),
	{path: "/begin-stdin.pl", body: "a body", header: formHeader},
	{path: "/begin-stdin.pl"},
	{path: "/chld-ignore.pl"},
	{path: "/rand.pl", masks: []mask{randoms}, check: lateDiffers},
	{path: "/srand.pl", masks: []mask{seeded}},
	{path: "/dup-stderr.pl"},
	{path: "/query-import.pl?one"},
	{path: "/query-import.pl?two"},
	{path: "/daemon.pl", masks: []mask{pids}, check: killDaemons},
	{path: "/daemon-begin.pl", masks: []mask{pids}, check: killDaemons},
	{path: "/crlf.pl"},
	failed("/crlf-broken.pl"),
	{path: "/explicit.pl?q"},
	{path: "/explicit-taint.pl?q=1"},
	{path: "/tied.pl"},
	{path: "/threads.pl"},
	{path: "/begin-header.pl?name=you"},
	{path: "/begin-stderr.pl"},
	{path: "/begin-log.pl?q=1", remembers: true},
	{path: "/begin-null.pl"},
	{path: "/begin-handlers.pl"},
	{path: "/lock-data.pl"},
	{path: "/env-module.pl?q=1"},
}

var pythonRows = []row{
	{path: "/hello.py"},
	{path: "/form.py?name=J%C3%BCrg&choice=1&choice=2"},
	{path: "/form.py", body: form, header: formHeader},
	{path: "/upload.py", body: upload, header: uploadHeader},
	{path: "/environment.py", masks: environment},
	{path: "/state.py", masks: libraries},
	{path: "/bigpost.py", body: big, header: []string{"Content-Type: application/octet-stream"}},
	{path: "/exit3.py"},
	failed("/exception.py"),
	{path: "/traceback-page.py", masks: libraries},
	{path: "/atexit.py"},
	{path: "/threads.py"},
	{path: "/thread-import.py"},
	{path: "/query-import.py?one"},
	{path: "/query-import.py?two"},
	{path: "/local-import.py"},
	failed("/bom.py"),
	{path: "/subprocess.py?q"},
	{path: "/timezone.py"},
	{path: "/signals.py"},
	{path: "/mainguard.py"},
	{path: "/fork.py"},
	{path: "/sqlite.py?somebody", remembers: true},
	{path: "/binary.py"},
	{path: "/random-import.py", masks: []mask{randoms}, check: lateDiffers},
	failed("/syntax.py"),
	{path: "/print-import.py"},
	{path: "/unbuffered.py"},
	{path: "/dup-import.py"},
}

var rubyRows = []row{
	{path: "/hello.rb?you=1"},
	{path: "/form.rb?name=J%C3%BCrg&choice=1&choice=2"},
	{path: "/form.rb", body: form, header: formHeader},
	{path: "/upload.rb", body: upload, header: uploadHeader},
	{path: "/cookies.rb", header: []string{"Cookie: session=a%20b; theme=dark"}},
	{path: "/relative.rb"},
	{path: "/data.rb"},
	{path: "/template.rb"},
	failed("/raise.rb"),
	{path: "/at-exit.rb"},
	{path: "/popen.rb"},
	{path: "/state.rb", masks: libraries},
	{path: "/environment.rb", masks: environment},
	{path: "/print-require.rb"},
	{path: "/dup-require.rb"},
}

var otherRows = []row{
	{path: "/hello.sh?two+words", masks: indexed},
	{path: "/post.sh", body: form, header: formHeader},
	// No more than a pipe holds: mod_cgid writes all before it reads.
	{path: "/post.sh", body: big[:1<<15], header: []string{"Content-Type: application/octet-stream"}},
	{path: "/here.sh?you"},
	{path: "/background.sh"},
	{path: "/awk.cgi?you"},
	{path: "/program.cgi?q=1", body: "a body", header: formHeader},
	{path: "/folder/inner.cgi/info"},
	// A folder without an index is nobody's: 404 of the server behind us. Apache is
	// told that all in it are scripts, and says that a folder may not be run.
	{path: "/folder/", ours: 404, apache: 403},
	{path: "/missing.pl", ours: 404, apache: 404},
	// What is beside the scripts and may not be run is not handed out.
	{path: "/cgi-lib.pl", ours: 404, apache: 500},
}
