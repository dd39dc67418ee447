package tools

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gokafka/gokafka/internal/metadata/records"
)

// scramMechanism is one of SCRAM's in Kafka.
type scramMechanism struct {
	name    string
	number  int8
	newHash func() hash.Hash
}

var scramHashes = []scramMechanism{
	{"SCRAM-SHA-256", 1, sha256.New},
	{"SCRAM-SHA-512", 2, sha512.New},
}

// mostIterations is what Kafka takes at most.
const mostIterations = 16384

// parseScram reads a credential as --add-scram has it: 'SCRAM-SHA-256=[name=alice,password=alice-secret]'.
//
//nolint:staticcheck // the errors have Kafka's words
func parseScram(text string) (*records.UserScramCredentialRecord, error) {
	text = strings.TrimSpace(text)
	name, inner, ok := strings.Cut(text, "=")
	if !ok {
		return nil, fmt.Errorf("Failed to find equals sign in SCRAM argument '%s'", text)
	}
	i := slices.IndexFunc(scramHashes, func(m scramMechanism) bool { return m.name == name })
	if i < 0 {
		return nil, fmt.Errorf("The add-scram mechanism %s is not supported.", name)
	}
	if inner, ok = strings.CutPrefix(inner, "["); !ok {
		return nil, errors.New("Expected configuration string to start with [")
	}
	if inner, ok = strings.CutSuffix(inner, "]"); !ok {
		return nil, errors.New("Expected configuration string to end with ]")
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(inner, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, fmt.Errorf("No equals sign found in SCRAM component: %s", part)
		}
		if len(value) >= 2 && strings.HasPrefix(value, `"`) && strings.HasSuffix(value, `"`) {
			value = value[1 : len(value)-1]
		}
		parts[key] = value
	}
	return scramHashes[i].credential(parts)
}

//nolint:staticcheck // the errors have Kafka's words
func (m scramMechanism) credential(parts map[string]string) (*records.UserScramCredentialRecord, error) {
	take := func(key string) (string, bool) {
		v, ok := parts[key]
		delete(parts, key)
		return v, ok
	}
	user, ok := take("name")
	if !ok {
		return nil, errors.New("You must supply 'name' to add-scram")
	}
	salt, err := make([]byte, 24), error(nil)
	_, _ = rand.Read(salt) // never fails
	saltText, salted := take("salt")
	if salted {
		if salt, err = base64.StdEncoding.DecodeString(saltText); err != nil {
			return nil, fmt.Errorf("Failed to decode given salt: %s", saltText)
		}
	}
	iterations := int(scramIterations)
	if text, ok := take("iterations"); ok {
		if iterations, err = strconv.Atoi(text); err != nil {
			return nil, fmt.Errorf("Failed to parse iterations count: %s", text)
		}
	}
	password, open := take("password")
	text, given := take("saltedpassword")
	var key []byte
	switch {
	case open:
	case !given:
		return nil, errors.New("You must supply one of 'password' or 'saltedpassword' to add-scram")
	case !salted:
		return nil, errors.New("You must supply 'salt' with 'saltedpassword' to add-scram")
	default:
		if key, err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, fmt.Errorf("Failed to decode given saltedPassword: %s", text)
		}
	}
	switch {
	case len(parts) > 0:
		return nil, fmt.Errorf("Unknown SCRAM configurations: %s", strings.Join(slices.Sorted(maps.Keys(parts)), ", "))
	case iterations < scramIterations:
		return nil, fmt.Errorf("The 'iterations' value must be >= %d for add-scram using %s", scramIterations, scramProperty(m.name))
	case iterations > mostIterations:
		return nil, fmt.Errorf("The 'iterations' value must be <= %d for add-scram using %s", mostIterations, scramProperty(m.name))
	}
	if open {
		if key, err = saltPassword(m.name, password, salt, iterations); err != nil {
			return nil, err
		}
	}
	mac := func(text string) []byte {
		h := hmac.New(m.newHash, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	stored := m.newHash()
	stored.Write(mac("Client Key"))
	return &records.UserScramCredentialRecord{
		Name: user, Mechanism: m.number, Salt: salt, StoredKey: stored.Sum(nil), ServerKey: mac("Server Key"), Iterations: int32(iterations),
	}, nil
}
