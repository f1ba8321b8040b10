package main

import (
	"os"
	"path/filepath"
	"strings"
)

// What both configurations of Apache begin with: as little as serves a folder.
const httpdCommon = `ServerRoot @WORK@
ServerName 127.0.0.1
Listen @ADDR@
PidFile @WORK@/@NAME@.pid
ErrorLog @WORK@/@NAME@.log
Mutex file:@WORK@/data
@USER@
LoadModule authz_core_module @MODULES@/mod_authz_core.so
DocumentRoot @WORK@
AcceptPathInfo On
<Directory @WORK@>
	Options ExecCGI
</Directory>
`

const httpdEvent = `LoadModule env_module @MODULES@/mod_env.so
PassEnv GITWEB_CONFIG
LoadModule mpm_event_module @MODULES@/mod_mpm_event.so
LoadModule cgid_module @MODULES@/mod_cgid.so
LoadModule fcgid_module @MODULES@/mod_fcgid.so
ScriptSock @WORK@/cgid
FcgidIPCDir @WORK@/data
FcgidProcessTableFile @WORK@/data/fcgid
FcgidMinProcessesPerClass @AT_ONCE@
FcgidMaxProcessesPerClass @AT_ONCE@
<LocationMatch "^/[a-z]+/cgid/">
	SetHandler cgi-script
</LocationMatch>
<LocationMatch "^/[a-z]+/fcgid/">
	SetHandler fcgid-script
</LocationMatch>
`

const httpdPrefork = `LoadModule mpm_prefork_module @MODULES@/mod_mpm_prefork.so
LoadModule perl_module @MODULES@/mod_perl.so
StartServers @AT_ONCE@
MaxRequestWorkers @AT_ONCE@
PerlModule ModPerl::Registry
<LocationMatch "^/[a-z]+/registry/">
	SetHandler perl-script
	PerlResponseHandler ModPerl::Registry
	PerlOptions +ParseHeaders
</LocationMatch>
`

// httpd is the configuration for mod_cgid and mod_fcgid.
func (b *bench) httpd(addr string) string { return b.fillHTTPD("httpd", addr, httpdCommon+httpdEvent) }

// httpdModPerl is the configuration for mod_perl.
func (b *bench) httpdModPerl(addr string) string {
	return b.fillHTTPD("modperl", addr, httpdCommon+httpdPrefork)
}

func (b *bench) fillHTTPD(name, addr, text string) string {
	user := ""
	if os.Getuid() == 0 { // Apache does not serve as root
		user = "User www-data\nGroup www-data"
	}
	return strings.NewReplacer(
		"@NAME@", name, "@ADDR@", addr, "@WORK@", b.work, "@USER@", user, "@MODULES@", "/usr/lib/apache2/modules",
		"@AT_ONCE@", atOnce,
	).Replace(text)
}

// fpm is the configuration of php-fpm.
func (b *bench) fpm() string {
	user := ""
	if os.Getuid() == 0 {
		user = "user = root\ngroup = root\n"
	}
	return "[global]\nerror_log = " + b.work + "/fpm.log\n[pages]\nlisten = " + filepath.Join(b.work, "php", "fpm", "socket") +
		"\npm = static\npm.max_children = " + persistent + "\n" + user
}
