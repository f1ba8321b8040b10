// Package preforkcgi is the plugin path of the module: building Caddy with it
// builds in the prefork_cgi directive. All it does is import [caddymod].
package preforkcgi

import _ "github.com/prefork-cgi/prefork-cgi/caddymod" // the module
