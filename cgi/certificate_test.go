package cgi

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"
)

// That the spelling is Apache's tests/e2e shows; here is what its certificates lack.
func TestEnvironTellsOfClientCertificates(t *testing.T) {
	one := func(value any, oid ...int) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: oid, Value: value}
	}
	subject, err := asn1.Marshal(pkix.RDNSequence{
		{one("GB", 2, 5, 4, 6)},
		{one("a", 2, 5, 4, 3), one("b", 2, 5, 4, 11)},
		{one(7, 2, 5, 4, 10)},
		{one("x\x00y\r\nEVIL=1 ", 2, 5, 4, 13)},
		{one(" ", 2, 5, 4, 12)},
	})
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := asn1.Marshal(pkix.RDNSequence{})
	if err != nil {
		t.Fatal(err)
	}
	certificate := &x509.Certificate{
		Version: 1, SerialNumber: big.NewInt(0x0f00), RawSubject: subject, RawIssuer: issuer,
		NotBefore: time.Date(1999, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)),
		NotAfter:  time.Date(2000, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	checkEnviron(t, []environCase{{
		"a certificate", func(q *query) { q.r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}} },
		[]string{
			"SSL_CLIENT_VERIFY=FAILED:not verified", "SSL_CLIENT_M_VERSION=1", "SSL_CLIENT_M_SERIAL=0F00", "SSL_CLIENT_I_DN=",
			`SSL_CLIENT_S_DN=title=\ ,description=x\00y\0D\0AEVIL=1\ ,O=#020107,OU=b+CN=a,C=GB`,
			"SSL_CLIENT_S_DN_CN=a", "SSL_CLIENT_S_DN_OU=b", "SSL_CLIENT_S_DN_O", `SSL_CLIENT_S_DN_D=x\00y\0D\0AEVIL=1 `,
			"SSL_CLIENT_V_START=Jan  2 02:04:05 1999 GMT", "SSL_CLIENT_V_END=Jan  2 03:04:05 2000 GMT", "SSL_CLIENT_V_REMAIN=0",
		},
	}})
}
