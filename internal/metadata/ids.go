package metadata

import (
	"cmp"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
)

// brokerResourceName is the name of a broker's config resource; "" stands for the default of all brokers.
func brokerResourceName(id int32) string {
	if id < 0 {
		return ""
	}
	return strconv.Itoa(int(id))
}

// uuidString writes a UUID as Kafka does: base64url without padding.
func uuidString(id [16]byte) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// sortedKeys returns the keys of m in ascending order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
