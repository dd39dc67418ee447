package client

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sasl/oauth"
)

// tokenSource gets the bearer tokens of OAUTHBEARER: unsecured ones made here, one from a file, or those of an endpoint by client credentials (KIP-768).
type tokenSource struct {
	endpoint   string // URL, or ""
	file       string // path, or ""
	subject    string // of an unsecured token, or ""
	client     string
	secret     string
	scope      string
	extensions map[string]string
	http       *http.Client
}

func newTokenSource(p Properties, m jaasModule) (*tokenSource, error) {
	s := &tokenSource{
		endpoint: p["sasl.oauthbearer.token.endpoint.url"], subject: m.options["unsecuredLoginStringClaim_sub"],
		client: or(m.options["clientId"], p["sasl.oauthbearer.client.credentials.client.id"]), secret: or(m.options["clientSecret"], p["sasl.oauthbearer.client.credentials.client.secret"]),
		scope: or(m.options["scope"], p["sasl.oauthbearer.scope"]), extensions: map[string]string{},
	}
	for key, value := range m.options {
		if name, ok := strings.CutPrefix(key, "extension_"); ok {
			s.extensions[name] = value
		}
	}
	switch {
	case strings.HasPrefix(s.endpoint, "file:"):
		u, err := url.Parse(s.endpoint)
		if err != nil {
			return nil, fmt.Errorf("sasl.oauthbearer.token.endpoint.url: %w", err)
		}
		s.file = u.Path
	case s.endpoint != "":
		config := &tls.Config{MinVersion: tls.VersionTLS12}
		if p["ssl.truststore.location"] != "" || p["ssl.truststore.certificates"] != "" {
			var err error
			if config, err = tlsConfig(p); err != nil {
				return nil, err
			}
		}
		s.http = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment}}
	case s.subject == "":
		return nil, errors.New("OAUTHBEARER needs sasl.oauthbearer.token.endpoint.url, or unsecuredLoginStringClaim_sub in sasl.jaas.config")
	}
	return s, nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// auth is called for every log-in.
func (s *tokenSource) auth(ctx context.Context) (oauth.Auth, error) {
	token, err := s.token(ctx)
	return oauth.Auth{Token: token, Extensions: s.extensions}, err
}

func (s *tokenSource) token(ctx context.Context) (string, error) {
	switch {
	case s.file != "":
		text, err := os.ReadFile(s.file)
		return strings.TrimSpace(string(text)), err
	case s.endpoint != "":
		return s.fetch(ctx)
	}
	part := func(v any) string {
		text, _ := json.Marshal(v) // maps of strings and numbers
		return base64.RawURLEncoding.EncodeToString(text)
	}
	now := time.Now().Unix()
	return part(map[string]string{"alg": "none"}) + "." + part(map[string]any{"sub": s.subject, "iat": now, "exp": now + 3600}) + ".", nil
}

func (s *tokenSource) fetch(ctx context.Context) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if s.scope != "" {
		form.Set("scope", s.scope)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(s.client, s.secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	resp, err := s.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", err
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &answer); resp.StatusCode != http.StatusOK || err != nil || answer.AccessToken == "" {
		return "", fmt.Errorf("the token endpoint %s answered %s without an access_token", s.endpoint, resp.Status)
	}
	return answer.AccessToken, nil
}
