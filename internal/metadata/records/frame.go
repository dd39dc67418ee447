package records

import (
	"encoding/binary"
	"fmt"

	"github.com/gokafka/gokafka/internal/wire"
)

// ErrMalformed is what every error of decoding wraps.
var ErrMalformed = wire.ErrMalformed

const frameVersion = 1

// Record is one record of the metadata log.
type Record interface {
	// APIKey is the kind of the record, as in its frame.
	APIKey() int16
	// MaxVersion is the newest version that we can read and write; all from 0 are supported.
	MaxVersion() int16

	appendTo(w []byte, version int16) []byte
	readFrom(r *wire.Reader, version int16)
}

// Control is the value of a control record. Its version is its own first field.
type Control interface {
	// Kind is the type in the control record's key.
	Kind() int16

	version() int16
	appendTo(w []byte, version int16) []byte
	readFrom(r *wire.Reader, version int16)
}

// Versioned is a record with the version to write it in. What a version lacks is left out silently, so the writer chooses one that has all
// that matters.
type Versioned struct {
	Record
	Version int16
}

// V0 returns r with version 0, the only one of most records.
func V0(r Record) Versioned { return Versioned{r, 0} }

// Append appends the framed record to dst.
func Append(dst []byte, v Versioned) []byte {
	dst = binary.AppendUvarint(dst, frameVersion)
	dst = binary.AppendUvarint(dst, uint64(v.APIKey()))
	dst = binary.AppendUvarint(dst, uint64(v.Version))
	return v.Record.appendTo(dst, v.Version)
}

// Parse decodes the value of a record. Nothing in the result aliases value. Errors wrap ErrMalformed; a kind or version of a newer Kafka is an
// error too, since a state without it would be wrong.
func Parse(value []byte) (Versioned, error) {
	r := wire.NewReader(value)
	frame, key, version := r.Uvarint(), r.Uvarint(), r.Uvarint()
	if err := r.Err(); err != nil {
		return Versioned{}, err
	}
	if frame != frameVersion {
		return Versioned{}, fmt.Errorf("frame version %d, want %d: %w", frame, frameVersion, ErrMalformed)
	}
	rec := newRecord(key)
	if rec == nil {
		return Versioned{}, fmt.Errorf("record kind %d, written by a newer Kafka: %w", key, ErrMalformed)
	}
	if version > uint32(rec.MaxVersion()) {
		return Versioned{}, fmt.Errorf("%T version %d, written by a newer Kafka (newest known: %d): %w", rec, version, rec.MaxVersion(), ErrMalformed)
	}
	rec.readFrom(r, int16(version))
	if r.Len() > 0 {
		r.Fail("bytes after the end")
	}
	if err := r.Err(); err != nil {
		return Versioned{}, fmt.Errorf("%T version %d: %w", rec, version, err)
	}
	return Versioned{rec, int16(version)}, nil
}

// AppendControl appends the value of a control record to dst.
func AppendControl(dst []byte, c Control) []byte { return c.appendTo(dst, c.version()) }

// ParseControl decodes the value of a control record of the kind. An unknown kind gives nil without an error: Kafka ignores those.
func ParseControl(kind int16, value []byte) (Control, error) {
	c := newControl(kind)
	if c == nil {
		return nil, nil
	}
	r := wire.NewReader(value)
	version := wire.NewReader(value).Int16()
	if version < 0 {
		return nil, fmt.Errorf("%T version %d: %w", c, version, ErrMalformed)
	}
	c.readFrom(r, version)
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("%T version %d: %w", c, version, err)
	}
	return c, nil
}
