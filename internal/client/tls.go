package client

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"github.com/youmark/pkcs8"
	"software.sslmate.com/src/go-pkcs12"
)

// tlsConfig is what the ssl.* properties of a Java client say: stores of the types JKS, PKCS12 and PEM, in files or in the properties themselves.
func tlsConfig(p Properties) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if p["ssl.truststore.location"] != "" || p["ssl.truststore.certificates"] != "" {
		trusted, err := truststore(p)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		for _, cert := range trusted {
			c.RootCAs.AddCert(cert)
		}
	}
	if p["ssl.keystore.location"] != "" || p["ssl.keystore.key"] != "" {
		cert, err := keypair(p)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{cert}
	}
	if algorithm, ok := p["ssl.endpoint.identification.algorithm"]; ok && strings.TrimSpace(algorithm) == "" {
		// As in Java, an empty algorithm means that the certificate must be trusted but may be of any host.
		c.InsecureSkipVerify = true
		c.VerifyConnection = trustedFromAnywhere(c.RootCAs)
	}
	return c, nil
}

func trustedFromAnywhere(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("tls: the broker has shown no certificate")
		}
		between := x509.NewCertPool()
		for _, cert := range s.PeerCertificates[1:] {
			between.AddCert(cert)
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
		return err
	}
}

// store reads the file behind one of the store properties; prefix is "ssl.truststore" or "ssl.keystore".
func store(p Properties, prefix string) (data []byte, kind string, err error) {
	location := p[prefix+".location"]
	if data, err = os.ReadFile(location); err != nil {
		return nil, "", fmt.Errorf("%s.location: %w", prefix, err)
	}
	kind = strings.ToUpper(p[prefix+".type"])
	if kind == "" || kind == "JKS" { // Java reads PKCS12 files under the name of JKS, too
		switch {
		case bytes.HasPrefix(data, []byte{0xfe, 0xed, 0xfe, 0xed}):
			kind = "JKS"
		case bytes.Contains(data[:min(len(data), 4096)], []byte("-----BEGIN")):
			kind = "PEM"
		default:
			kind = "PKCS12"
		}
	}
	return data, kind, nil
}

func truststore(p Properties) ([]*x509.Certificate, error) {
	if text := p["ssl.truststore.certificates"]; text != "" {
		return certificates("ssl.truststore.certificates", []byte(text))
	}
	data, kind, err := store(p, "ssl.truststore")
	if err != nil {
		return nil, err
	}
	location, password := p["ssl.truststore.location"], p["ssl.truststore.password"]
	switch kind {
	case "PEM":
		return certificates(location, data)
	case "PKCS12":
		trusted, err := pkcs12.DecodeTrustStore(data, password)
		if err != nil {
			return nil, fmt.Errorf("%s: %w (is ssl.truststore.password right?)", location, err)
		}
		return trusted, nil
	case "JKS":
		ks, err := loadJKS(location, data, password)
		if err != nil {
			return nil, err
		}
		var all []*x509.Certificate
		for _, alias := range ks.Aliases() {
			if !ks.IsTrustedCertificateEntry(alias) {
				continue
			}
			entry, err := ks.GetTrustedCertificateEntry(alias)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", location, alias, err)
			}
			cert, err := x509.ParseCertificate(entry.Certificate.Content)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", location, alias, err)
			}
			all = append(all, cert)
		}
		return all, nil
	}
	return nil, fmt.Errorf("ssl.truststore.type: %q is none of JKS, PKCS12, PEM", kind)
}

func keypair(p Properties) (tls.Certificate, error) {
	keyPassword := or(p["ssl.key.password"], p["ssl.keystore.password"])
	if text := p["ssl.keystore.key"]; text != "" {
		return pemPair("ssl.keystore.key", []byte(text+"\n"+p["ssl.keystore.certificate.chain"]), p["ssl.key.password"])
	}
	data, kind, err := store(p, "ssl.keystore")
	if err != nil {
		return tls.Certificate{}, err
	}
	location := p["ssl.keystore.location"]
	switch kind {
	case "PEM":
		return pemPair(location, data, p["ssl.key.password"])
	case "PKCS12":
		key, leaf, chain, err := pkcs12.DecodeChain(data, p["ssl.keystore.password"])
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("%s: %w (is ssl.keystore.password right?)", location, err)
		}
		cert := tls.Certificate{PrivateKey: key, Certificate: [][]byte{leaf.Raw}}
		for _, c := range chain {
			cert.Certificate = append(cert.Certificate, c.Raw)
		}
		return cert, nil
	case "JKS":
		ks, err := loadJKS(location, data, p["ssl.keystore.password"])
		if err != nil {
			return tls.Certificate{}, err
		}
		for _, alias := range ks.Aliases() {
			if !ks.IsPrivateKeyEntry(alias) {
				continue
			}
			entry, err := ks.GetPrivateKeyEntry(alias, []byte(keyPassword))
			if err != nil {
				return tls.Certificate{}, fmt.Errorf("%s: %s: %w (is ssl.key.password right?)", location, alias, err)
			}
			key, err := x509.ParsePKCS8PrivateKey(entry.PrivateKey)
			if err != nil {
				return tls.Certificate{}, fmt.Errorf("%s: %s: %w", location, alias, err)
			}
			cert := tls.Certificate{PrivateKey: key}
			for _, c := range entry.CertificateChain {
				cert.Certificate = append(cert.Certificate, c.Content)
			}
			return cert, nil
		}
		return tls.Certificate{}, fmt.Errorf("%s holds no private key", location)
	}
	return tls.Certificate{}, fmt.Errorf("ssl.keystore.type: %q is none of JKS, PKCS12, PEM", kind)
}

func loadJKS(location string, data []byte, password string) (keystore.KeyStore, error) {
	ks := keystore.New()
	if err := ks.Load(bytes.NewReader(data), []byte(password)); err != nil {
		return ks, fmt.Errorf("%s: %w (is its password right?)", location, err)
	}
	return ks, nil
}

// certificates reads all PEM certificates of a text.
func certificates(name string, text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", name)
	}
	return all, nil
}

// pemPair reads a PKCS#8 key, which may be encrypted, and its chain of certificates.
func pemPair(name string, text []byte, password string) (tls.Certificate, error) {
	chain, err := certificates(name, text)
	if err != nil {
		return tls.Certificate{}, err
	}
	cert := tls.Certificate{}
	for _, c := range chain {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "PRIVATE KEY":
			cert.PrivateKey, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			cert.PrivateKey, err = pkcs8.ParsePKCS8PrivateKey(block.Bytes, []byte(password))
		default:
			continue
		}
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("%s: %w", name, err)
		}
		return cert, nil
	}
	return tls.Certificate{}, fmt.Errorf("%s holds no PKCS#8 private key in PEM form", name)
}
