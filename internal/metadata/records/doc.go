// Package records knows the records of __cluster_metadata bit for bit: what the controller writes, what a broker replays, and what lies in
// snapshots. It knows nothing of what they mean.
//
// A record's value is
//
//	frame version (uvarint, 1) | api key (uvarint) | version (uvarint) | body
//
// and a control record's value is its body, which begins with the version as int16. The types and their codecs are generated from schema.txt
// (go generate), our own notation of the facts (see package wire). A record's key is always null.
package records

import (
	_ "embed"

	"github.com/gokafka/gokafka/internal/wire"
)

//go:generate go run ../../wire/gen

//go:embed schema.txt
var schema string

// Schema describes the records, for tools that show them.
func Schema() *wire.Schema { return wire.MustSchema(schema) }
