package client

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// The stores in testdata were made by Java's keytool: a CA, and a key for localhost that it signed.
func store4test(kind string) Properties {
	keystore := map[string]string{"encrypted": "keystore-encrypted.pem"}[kind]
	file := kind
	if keystore == "" {
		keystore = "keystore." + kind
	} else {
		file = "pem"
	}
	return Properties{
		"ssl.truststore.location": filepath.Join("testdata", "truststore."+file), "ssl.truststore.password": "secret123",
		"ssl.keystore.location": filepath.Join("testdata", keystore), "ssl.keystore.password": "secret123", "ssl.key.password": "secret123",
	}
}

func TestStoresOfEveryType(t *testing.T) {
	for _, kind := range []string{"jks", "pkcs12", "pem", "encrypted"} {
		t.Run(kind, func(t *testing.T) {
			c, err := tlsConfig(store4test(kind))
			if err != nil {
				t.Fatal(err)
			}
			server := &tls.Config{Certificates: c.Certificates, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: c.RootCAs}
			c.ServerName = "localhost"
			if err := handshake(t, server, c); err != nil {
				t.Error(err)
			}
			c.ServerName = "elsewhere"
			if err := handshake(t, server, c); err == nil {
				t.Error("a certificate for another host was taken")
			}
		})
	}
}

func TestNoEndpointIdentification(t *testing.T) {
	p := store4test("pem")
	p["ssl.endpoint.identification.algorithm"] = ""
	c, err := tlsConfig(p)
	if err != nil {
		t.Fatal(err)
	}
	server := &tls.Config{Certificates: c.Certificates}
	c.ServerName = "elsewhere"
	if err := handshake(t, server, c); err != nil {
		t.Error(err)
	}
	c.VerifyConnection = trustedFromAnywhere(x509.NewCertPool())
	if err := handshake(t, server, c); err == nil {
		t.Error("a certificate of an unknown authority was taken")
	}
}

func handshake(t *testing.T, server, client *tls.Config) error {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := tls.Server(a, server)
		_ = s.Handshake()
		_, _ = s.Write([]byte("x"))
		a.Close()
	}()
	c := tls.Client(b, client)
	err := c.Handshake()
	if err == nil {
		_, err = c.Read(make([]byte, 1))
	}
	b.Close()
	<-done
	return err
}

func TestSecurityMistakes(t *testing.T) {
	for want, p := range map[string]Properties{
		"security.protocol: \"TLS\" is none of":      {"security.protocol": "TLS"},
		"is ssl.truststore.password right":           {"security.protocol": "SSL", "ssl.truststore.location": "testdata/truststore.pkcs12", "ssl.truststore.password": "wrong"},
		"is its password right":                      {"security.protocol": "SSL", "ssl.truststore.location": "testdata/truststore.jks", "ssl.truststore.password": "wrong"},
		"ssl.truststore.location: open testdata/no":  {"security.protocol": "SSL", "ssl.truststore.location": "testdata/no"},
		"GSSAPI (the default) needs Kerberos":        {"security.protocol": "SASL_SSL"},
		"sasl.jaas.config is not set":                {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"},
		"the semicolon at its end is missing":        {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.jaas.config": "x required a=b"},
		"sasl.mechanism: \"NTLM\" is none of":        {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "NTLM", "sasl.jaas.config": "x required;"},
		"needs sasl.oauthbearer.token.endpoint.url":  {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER", "sasl.jaas.config": "x required;"},
		"request of milliseconds is not a number of": {"metadata.max.age.ms": "request of milliseconds"},
	} {
		_, err := Options(Config{Bootstrap: "localhost:1", Properties: p})
		want = strings.TrimPrefix(want, "request of milliseconds ")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", p, err, want)
		}
	}
}

func TestJaas(t *testing.T) {
	m, err := parseJaas("org.apache.kafka.common.security.plain.PlainLoginModule required\n  username=\"al ice\" password='s;e\\'c\"ret' tokenauth=true;")
	if err != nil || m.class != "org.apache.kafka.common.security.plain.PlainLoginModule" || m.options["username"] != "al ice" || m.options["password"] != "s;e'c\"ret" || m.options["tokenauth"] != "true" {
		t.Errorf("%+v %v", m, err)
	}
}

func FuzzJaas(f *testing.F) {
	f.Add("a required b=\"c\";")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = parseJaas(text) })
}
