package tools

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/client"
)

// Keys of quotas.
var (
	clientQuotas = []string{"producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"}
	ipQuotas     = []string{"connection_creation_rate"}
)

// SCRAM iterations: what is taken when none are given, and the least that Kafka takes.
const scramIterations = 4096

var scramCredential = regexp.MustCompile(`^(?:iterations=(-?[0-9]*),)?password=(.*)$`)

// toAdd are the values to set, from --add-config or --add-config-file.
func (t *configs) toAdd() (map[string]string, error) {
	values := map[string]string{}
	if t.Has(t.addConfigFile) {
		properties, err := client.ReadProperties(t.Value(t.addConfigFile))
		if err != nil {
			return nil, err
		}
		maps.Copy(values, properties)
	}
	if t.Has(t.addConfig) {
		for _, pair := range splitOutside(strings.TrimRight(t.Value(t.addConfig), ","), ',') {
			parts := splitOutside(pair, '=')
			if len(parts) != 2 {
				return nil, argumentError(`requirement failed: Invalid entity config: all configs to be added must be in the format "key=val" or  "key=[val1,val2]" to group values which contain commas.`)
			}
			values[strings.TrimSpace(parts[0])] = strings.TrimSpace(strings.NewReplacer("[", "", "]", "").Replace(parts[1]))
		}
	}
	for key := range values {
		if !configKey.MatchString(key) {
			return nil, argumentError("Invalid character found for config key: " + key)
		}
	}
	return values, nil
}

var configKey = regexp.MustCompile(`^[$a-zA-Z0-9._-]*$`)

// splitOutside splits at separators that are not within square brackets.
func splitOutside(s string, separator byte) []string {
	var parts []string
	start := 0
	for i := range len(s) {
		if s[i] != separator {
			continue
		}
		if bracket := strings.IndexAny(s[i+1:], "[]"); bracket < 0 || s[i+1+bracket] == '[' {
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// alterEntity changes what the command line names.
func (t *configs) alterEntity(ctx context.Context) error {
	kind, name := t.types[0], t.names[0]
	add, err := t.toAdd()
	if err != nil {
		return err
	}
	var remove []string
	for _, key := range t.Values(t.deleteConfig) {
		remove = append(remove, strings.TrimSpace(key))
	}
	switch kind {
	case userEntity, clientEntity:
		err = t.alterUser(ctx, add, remove)
	case ipEntity:
		if unknown := except(slices.Concat(slices.Sorted(maps.Keys(add)), remove), isOneOf(ipQuotas)); len(unknown) > 0 {
			return argumentError("Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config names: " + strings.Join(unknown, ","))
		}
		err = t.alterQuotas(ctx, add, remove)
	default:
		err = t.alterResource(ctx, kind, name, add, remove)
	}
	if err != nil {
		return err
	}
	if name != "" {
		t.env.printf("Completed updating config for %s %s.\n", singular(kind), name)
	} else {
		t.env.printf("Completed updating default config for %s in the cluster.\n", kind)
	}
	return nil
}

// except returns the elements that are not of a sort.
func except(all []string, of func(string) bool) []string {
	return slices.DeleteFunc(slices.Clone(all), of)
}

func isOneOf(set []string) func(string) bool {
	return func(s string) bool { return slices.Contains(set, s) }
}

func (t *configs) alterResource(ctx context.Context, kind, name string, add map[string]string, remove []string) error {
	if kind == brokerLoggerEntity {
		if err := t.checkLoggers(ctx, name, slices.Concat(remove, slices.Sorted(maps.Keys(add)))); err != nil {
			return err
		}
	}
	var changes []configChange
	for _, key := range remove {
		changes = append(changes, configChange{key, nil})
	}
	for _, key := range slices.Sorted(maps.Keys(add)) {
		value := add[key]
		changes = append(changes, configChange{key, &value})
	}
	err := alterConfigs(ctx, t.to, resourceKinds[kind].kind, name, changes)
	if errors.Is(err, kerr.InvalidConfig) {
		return throwsExecution(err) // the broker's, which Kafka's tool tells with the command line that failed
	}
	return err
}

// checkLoggers refuses loggers that the broker does not have.
func (t *configs) checkLoggers(ctx context.Context, broker string, names []string) error {
	loggers, err := describeConfigs(ctx, t.to, kmsg.ConfigResourceTypeBrokerLogger, broker)
	if err != nil {
		return err
	}
	unknown := except(names, func(name string) bool {
		return slices.ContainsFunc(loggers, func(l kmsg.DescribeConfigsResponseResourceConfig) bool { return l.Name == name })
	})
	if len(unknown) > 0 {
		return exception{kafkaErrors + "InvalidConfigurationException", "Invalid broker logger(s): " + strings.Join(unknown, ",")}
	}
	return nil
}

// alterUser changes the quotas of users and clients, or the SCRAM credentials of a user.
func (t *configs) alterUser(ctx context.Context, add map[string]string, remove []string) error {
	keys := slices.Sorted(maps.Keys(add))
	isQuota, isScram := isOneOf(clientQuotas), isOneOf(scramNames[1:])
	known := isQuota
	what, kind := "Only quota configs", clientEntity
	if t.types[0] == userEntity && len(t.types) == 1 {
		known = func(s string) bool { return isQuota(s) || isScram(s) }
		what, kind = "Only quota and SCRAM credential configs", userEntity
	}
	if unknown := except(keys, known); len(unknown) > 0 {
		return argumentError(fmt.Sprintf("%s can be added for '%s' using --bootstrap-server. Unexpected config names: Set(%s)", what, kind, strings.Join(unknown, ", ")))
	}
	if unknown := except(remove, known); len(unknown) > 0 {
		return argumentError(fmt.Sprintf("%s can be deleted for '%s' using --bootstrap-server. Unexpected config names: ArrayBuffer(%s)", what, kind, strings.Join(unknown, ", ")))
	}
	all := slices.Concat(keys, remove)
	quotas := slices.ContainsFunc(all, isQuota)
	if !slices.ContainsFunc(all, isScram) {
		return t.alterQuotas(ctx, add, remove)
	}
	if slices.Contains(t.names, "") {
		return argumentError("The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using --bootstrap-server.")
	}
	if quotas {
		return argumentError("Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using --bootstrap-server.")
	}
	return t.alterScram(ctx, t.names[0], add, remove)
}

func (t *configs) alterQuotas(ctx context.Context, add map[string]string, remove []string) error {
	current, err := t.quotas(ctx)
	if err != nil {
		return err
	}
	var have []string
	for _, e := range current[:min(1, len(current))] {
		for _, v := range e.Values {
			have = append(have, v.Key)
		}
	}
	if absent := except(remove, isOneOf(have)); len(absent) > 0 {
		return exception{kafkaErrors + "InvalidConfigurationException", "Invalid config(s): " + strings.Join(absent, ",")}
	}
	req := kmsg.NewPtrAlterClientQuotasRequest()
	entry := kmsg.NewAlterClientQuotasRequestEntry()
	for i, kind := range t.types {
		e := kmsg.NewAlterClientQuotasRequestEntryEntity()
		e.Type = quotaEntities[kind]
		if t.names[i] != "" {
			e.Name = &t.names[i]
		}
		entry.Entity = append(entry.Entity, e)
	}
	for _, key := range slices.Sorted(maps.Keys(add)) {
		op := kmsg.NewAlterClientQuotasRequestEntryOp()
		op.Key = key
		if op.Value, err = strconv.ParseFloat(add[key], 64); err != nil {
			return argumentError(fmt.Sprintf("Cannot parse quota configuration value for %s: %s", key, add[key]))
		}
		entry.Ops = append(entry.Ops, op)
	}
	for _, key := range remove {
		op := kmsg.NewAlterClientQuotasRequestEntryOp()
		op.Key, op.Remove = key, true
		entry.Ops = append(entry.Ops, op)
	}
	req.Entries = append(req.Entries, entry)
	resp, err := req.RequestWith(ctx, t.to)
	if err != nil {
		return err
	}
	for _, e := range resp.Entries {
		if err := answered(e.ErrorCode, e.ErrorMessage); err != nil {
			return throwsExecution(err)
		}
	}
	return nil
}

// alterScram sets and deletes credentials of a user. The password itself is not sent.
func (t *configs) alterScram(ctx context.Context, user string, add map[string]string, remove []string) error {
	req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	for _, mechanism := range remove {
		d := kmsg.NewAlterUserSCRAMCredentialsRequestDeletion()
		d.Name, d.Mechanism = user, int8(slices.Index(scramNames, mechanism))
		req.Deletions = append(req.Deletions, d)
	}
	for _, mechanism := range slices.Sorted(maps.Keys(add)) {
		u := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
		u.Name, u.Mechanism = user, int8(slices.Index(scramNames, mechanism))
		m := scramCredential.FindStringSubmatch(add[mechanism])
		if m == nil {
			return argumentError("Invalid credential property " + scramProperty(mechanism) + "=" + add[mechanism])
		}
		u.Iterations = scramIterations
		if m[1] != "" && m[1] != "-1" {
			n, err := strconv.ParseInt(m[1], 10, 32)
			if err != nil {
				return argumentError(fmt.Sprintf("For input string: \"%s\"", m[1]))
			}
			u.Iterations = int32(n)
		}
		if u.Iterations < scramIterations {
			return argumentError(fmt.Sprintf("Iterations %d is less than the minimum %d required for %s", u.Iterations, scramIterations, mechanism))
		}
		salt := make([]byte, 24)
		rand.Read(salt)
		salted, err := saltPassword(mechanism, m[2], salt, int(u.Iterations))
		if err != nil {
			return err
		}
		u.Salt, u.SaltedPassword = salt, salted
		req.Upsertions = append(req.Upsertions, u)
	}
	resp, err := req.RequestWith(ctx, t.to)
	if err != nil {
		return err
	}
	for _, r := range resp.Results {
		if err := answered(r.ErrorCode, r.ErrorMessage); err != nil {
			return throwsExecution(err)
		}
	}
	return nil
}

// scramProperty is the name of Java's constant for a mechanism, which its message has.
func scramProperty(mechanism string) string { return strings.ReplaceAll(mechanism, "-", "_") }

func saltPassword(mechanism, password string, salt []byte, iterations int) ([]byte, error) {
	switch mechanism {
	case "SCRAM-SHA-256":
		return pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	case "SCRAM-SHA-512":
		return pbkdf2.Key(sha512.New, password, salt, iterations, sha512.Size)
	}
	return nil, errors.New(mechanism + " is no SCRAM mechanism")
}
