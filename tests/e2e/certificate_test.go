package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prefork-cgi/prefork-cgi/tests/site"
)

// An identity is a certificate with its key.
type identity struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// issue makes a certificate; without an issuer it is its own.
func issue(t *testing.T, template *x509.Certificate, issuer *identity) *identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	site.Must(t, err)
	template.NotBefore = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	template.NotAfter = time.Now().Add(60 * time.Hour)
	parent, signer := template, key
	if issuer != nil {
		parent, signer = issuer.certificate, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	site.Must(t, err)
	certificate, err := x509.ParseCertificate(der)
	site.Must(t, err)
	return &identity{certificate, key}
}

func (i *identity) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.certificate.Raw}))
}

// oddName returns a subject with what is hard to write: attributes without a name and twice,
// and characters with a meaning.
func oddName() pkix.Name {
	attribute := func(value any, oid ...int) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: oid, Value: value}
	}
	return pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
		attribute("GB", 2, 5, 4, 6),
		attribute("example", 0, 9, 2342, 19200300, 100, 1, 25),
		attribute("Example, \"Inc\" <a+b>; c=d", 2, 5, 4, 10),
		attribute("one", 2, 5, 4, 11),
		attribute(" two ", 2, 5, 4, 11),
		attribute("#three\\", 2, 5, 4, 11),
		attribute("line\none", 2, 5, 4, 13),
		attribute("Dr", 2, 5, 4, 12),
		attribute("Müller", 2, 5, 4, 4),
		attribute("Zoë", 2, 5, 4, 42),
		attribute("Z", 2, 5, 4, 43),
		attribute("London", 2, 5, 4, 7),
		attribute("Surrey", 2, 5, 4, 8),
		attribute("1 Lane", 2, 5, 4, 9),
		attribute("AB1", 2, 5, 4, 17),
		attribute("42", 2, 5, 4, 5),
		attribute("unknown", 1, 2, 3, 4),
		attribute("zoe", 0, 9, 2342, 19200300, 100, 1, 1),
		attribute("zoe@example.org", 1, 2, 840, 113549, 1, 9, 1),
		attribute("Zoë Müller", 2, 5, 4, 3),
	}}
}

// serverName is the name that is asked for: Caddy chooses by it whom to ask for a certificate.
const serverName = "localhost"

// tlsConfig is a client's, which shows a certificate if there is one, whoever the server says
// should have issued it.
func tlsConfig(with *identity) *tls.Config {
	config := &tls.Config{InsecureSkipVerify: true, ServerName: serverName}
	if with != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: [][]byte{with.certificate.Raw}, PrivateKey: with.key}, nil
		}
	}
	return config
}

// askWith sends a request over TLS, with a certificate or without one, and returns
// the variables of client certificates that the script has got.
func askWith(t *testing.T, addr string, with *identity) map[string]string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: tlsConfig(with), DisableKeepAlives: true}}
	request, err := http.NewRequest("GET", "https://"+addr+"/env.cgi", nil)
	site.Must(t, err)
	request.Host = serverName
	resp, err := client.Do(request)
	site.Must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", addr, resp.Status, err)
	}
	found := map[string]string{}
	for entry := range strings.SplitSeq(string(body), "\x00") {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, "SSL_CLIENT_") {
			found[name] = value
		}
	}
	return found
}

// notOurs are what Apache tells and we do not.
var notOurs = []string{"SSL_CLIENT_A_KEY", "SSL_CLIENT_A_SIG", "SSL_CLIENT_CERT_RFC4523_CEA"}

// TestClientCertificatesAreToldAsByApache compares all that scripts are told of a
// certificate with what mod_ssl tells.
func TestClientCertificatesAreToldAsByApache(t *testing.T) {
	t.Parallel()
	authority := issue(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Clients", Organization: []string{"Example"}},
		IsCA: true, BasicConstraintsValid: true,
	}, nil)
	zoe := issue(t, &x509.Certificate{SerialNumber: big.NewInt(0xabcde), Subject: oddName()}, authority)
	stranger := issue(t, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Stranger"}}, nil)
	script := map[string]string{"env.cgi": site.Shell("env -0")}

	serve := func(mode string) *site.Site {
		config := strings.NewReplacer("verify_if_given", mode, "/etc/caddy", "@STATE@").Replace(recipe(t, "Client certificates"))
		s := site.Prepare(t, config, script)
		site.Must(t, os.WriteFile(s.State+"/clients.pem", []byte(authority.pem()), 0o600))
		s.TLS, s.Name = true, serverName
		s.Start()
		s.Await("the certificate", func() error {
			conn, err := tls.Dial("tcp", s.Addr, tlsConfig(nil))
			if err == nil {
				conn.Close()
			}
			return err
		})
		return s
	}
	verifying, careless := serve("verify_if_given"), serve("request")
	for _, c := range []struct {
		what         string
		ours, apache *site.Site
		with         *identity
		verify       string
	}{
		{"no certificate", verifying, apacheWithTLS(t, script, authority, "optional"), nil, "NONE"},
		{"one of the authority's", verifying, apacheWithTLS(t, script, authority, "optional"), zoe, "SUCCESS"},
		{"a stranger's", careless, apacheWithTLS(t, script, authority, "optional_no_ca"), stranger, "FAILED"},
	} {
		ours, apache := askWith(t, c.ours.Addr, c.with), askWith(t, c.apache.Addr, c.with)
		for _, name := range notOurs {
			delete(apache, name)
		}
		for _, told := range []map[string]string{ours, apache} { // why it has failed is told in other words
			told["SSL_CLIENT_VERIFY"], _, _ = strings.Cut(told["SSL_CLIENT_VERIFY"], ":")
		}
		if ours["SSL_CLIENT_VERIFY"] != c.verify {
			t.Errorf("%s: SSL_CLIENT_VERIFY is %q", c.what, ours["SSL_CLIENT_VERIFY"])
		}
		both := maps.Clone(ours)
		maps.Copy(both, apache)
		for _, name := range slices.Sorted(maps.Keys(both)) {
			if ours[name] != apache[name] {
				t.Errorf("%s: %s is\n%q, under Apache\n%q", c.what, name, ours[name], apache[name])
			}
		}
	}
}

// apacheWithTLS serves scripts by Apache, which asks for certificates.
func apacheWithTLS(t *testing.T, files map[string]string, authority *identity, verify string) *site.Site {
	t.Helper()
	server := issue(t, &x509.Certificate{SerialNumber: big.NewInt(3), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, nil)
	key, err := x509.MarshalPKCS8PrivateKey(server.key)
	site.Must(t, err)
	both := server.pem() + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	fill := func(folder string) {
		site.Must(t, os.WriteFile(folder+"/server.pem", []byte(both), 0o644))
		site.Must(t, os.WriteFile(folder+"/clients.pem", []byte(authority.pem()), 0o644))
		for name, text := range files {
			site.Must(t, os.WriteFile(folder+"/"+name, []byte(text), 0o755))
		}
	}
	return site.ServeByApache(t, fill,
		"LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so",
		"SSLEngine on",
		"SSLCertificateFile @SITE@/server.pem",
		"SSLCACertificateFile @SITE@/clients.pem",
		"SSLVerifyClient "+verify,
		"SSLOptions +StdEnvVars +ExportCertData")
}
