package cgi

import (
	"cmp"
	"crypto/tls"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// certificate sets what mod_ssl tells of the client's certificate, by its names
// and in its spelling.
func (e *environ) certificate(state *tls.ConnectionState) {
	if len(state.PeerCertificates) == 0 {
		e.set("SSL_CLIENT_VERIFY", "NONE")
		return
	}
	if len(state.VerifiedChains) == 0 { // taken whoever has issued it
		e.set("SSL_CLIENT_VERIFY", "FAILED:not verified")
	} else {
		e.set("SSL_CLIENT_VERIFY", "SUCCESS")
	}
	c := state.PeerCertificates[0]
	e.set("SSL_CLIENT_M_VERSION", strconv.Itoa(c.Version))
	e.set("SSL_CLIENT_M_SERIAL", strings.ToUpper(hex.EncodeToString(c.SerialNumber.Bytes())))
	e.distinguishedName("SSL_CLIENT_S_DN", c.RawSubject)
	e.distinguishedName("SSL_CLIENT_I_DN", c.RawIssuer)
	e.set("SSL_CLIENT_V_START", c.NotBefore.UTC().Format(certificateTime))
	e.set("SSL_CLIENT_V_END", c.NotAfter.UTC().Format(certificateTime))
	e.set("SSL_CLIENT_CERT", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
	e.set("SSL_CLIENT_V_REMAIN", strconv.Itoa(max(0, int(time.Until(c.NotAfter).Hours()/24)))) // days
}

// certificateTime is how OpenSSL prints a time.
const certificateTime = "Jan _2 15:04:05 2006 GMT"

// An attribute is a part of a distinguished name, as it is encoded.
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// relativeNameSET has the attributes of one level. Package asn1 takes a slice for a
// set if its type's name ends so.
type relativeNameSET []attribute

// attributeNames are what an attribute is called in a whole name, and in the
// variable that has it alone; empty: no variable has.
var attributeNames = map[string]struct{ short, variable string }{
	"2.5.4.3":                    {"CN", "CN"},
	"2.5.4.4":                    {"SN", "S"},
	"2.5.4.5":                    {"serialNumber", "SerialNumber"},
	"2.5.4.6":                    {"C", "C"},
	"2.5.4.7":                    {"L", "L"},
	"2.5.4.8":                    {"ST", "ST"},
	"2.5.4.9":                    {"street", ""},
	"2.5.4.10":                   {"O", "O"},
	"2.5.4.11":                   {"OU", "OU"},
	"2.5.4.12":                   {"title", "T"},
	"2.5.4.13":                   {"description", "D"},
	"2.5.4.17":                   {"postalCode", ""},
	"2.5.4.42":                   {"GN", "G"},
	"2.5.4.43":                   {"initials", "I"},
	"1.2.840.113549.1.9.1":       {"emailAddress", "Email"},
	"0.9.2342.19200300.100.1.1":  {"UID", "UID"},
	"0.9.2342.19200300.100.1.25": {"DC", ""},
}

// distinguishedName sets a name as RFC 2253 writes it, the last level first; and
// each of its attributes, of which a second one is called name_OU_1.
func (e *environ) distinguishedName(name string, der []byte) {
	var levels []relativeNameSET
	if _, err := asn1.Unmarshal(der, &levels); err != nil {
		return // crypto/x509 has read it before
	}
	var whole []string
	count := map[string]int{}
	var alone environ
	for _, level := range levels {
		var parts []string
		for _, a := range level {
			names, known := attributeNames[a.Type.String()]
			text, isText := a.text()
			if !known || !isText {
				parts = append(parts, fmt.Sprintf("%s=#%X", cmp.Or(names.short, a.Type.String()), a.Value.FullBytes))
				continue
			}
			parts = append(parts, names.short+"="+escapeName(text))
			if names.variable == "" {
				continue
			}
			variable := name + "_" + names.variable
			if n := count[variable]; n > 0 {
				alone.set(variable+"_"+strconv.Itoa(n), escapeControls(text))
			} else {
				alone.set(variable, escapeControls(text))
			}
			count[variable]++
		}
		slices.Reverse(parts)
		whole = append(whole, strings.Join(parts, "+"))
	}
	slices.Reverse(whole)
	e.set(name, strings.Join(whole, ","))
	for _, entry := range alone.list() {
		name, value, _ := strings.Cut(entry, "=")
		e.set(name, value)
	}
}

// text returns the value of an attribute in UTF-8, if it is one of the string types.
func (a attribute) text() (string, bool) {
	var value any
	if _, err := asn1.Unmarshal(a.Value.FullBytes, &value); err != nil {
		return "", false
	}
	text, ok := value.(string)
	return text, ok
}

// escapeName escapes what has a meaning in a whole name: RFC 2253 section 2.4.
func escapeName(text string) string {
	escaped := nameEscaper.Replace(escapeControls(text))
	if strings.HasPrefix(text, "#") || strings.HasPrefix(text, " ") {
		escaped = `\` + escaped
	}
	if strings.HasSuffix(text, " ") && len(text) > 1 {
		escaped = escaped[:len(escaped)-1] + `\ `
	}
	return escaped
}

var nameEscaper = strings.NewReplacer(",", `\,`, "+", `\+`, `"`, `\"`, "<", `\<`, ">", `\>`, ";", `\;`)

// escapeControls escapes control characters, among them those that no variable can
// have or a log would break at, and the backslash that does it.
func escapeControls(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case c == '\\':
			b.WriteString(`\\`)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\%02X`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
