package records

import (
	"errors"
	"fmt"

	"github.com/gokafka/gokafka/internal/wire"
)

// ErrMalformed is what errors of decoding wrap.
var ErrMalformed = wire.ErrMalformed

// ErrUnknownKind is what the error wraps for a kind that is not in this package: those of kmsg, and those of a newer Kafka. Kafka skips the latter
// when it loads a log, so that one can go back a version.
var ErrUnknownKind = errors.New("unknown kind of record")

// Key is the key of a record.
type Key interface {
	// Kind is the first field of the encoded key, and what makes it one with its value.
	Kind() int16

	appendTo(w []byte, version int16) []byte
	readFrom(r *wire.Reader, version int16)
}

// Value is the value of a record.
type Value interface {
	// Kind is that of the key.
	Kind() int16
	// MaxVersion is the newest version, which is written; all from 0 are read.
	MaxVersion() int16

	appendTo(w []byte, version int16) []byte
	readFrom(r *wire.Reader, version int16)
}

// AppendKey appends the encoded key to dst.
func AppendKey(dst []byte, k Key) []byte { return k.appendTo(wire.AppendInt16(dst, k.Kind()), 0) }

// AppendValue appends the value, encoded in its newest version, to dst.
func AppendValue(dst []byte, v Value) []byte {
	return v.appendTo(wire.AppendInt16(dst, v.MaxVersion()), v.MaxVersion())
}

// KindOf returns the kind of an encoded key, false when the key is too short to have one.
func KindOf(key []byte) (kind int16, ok bool) {
	r := wire.NewReader(key)
	kind = r.Int16()
	return kind, r.Err() == nil
}

// GroupID returns the group of an encoded key of __consumer_offsets: all kinds, those of kmsg too, have it as their first field. Errors wrap
// ErrMalformed.
func GroupID(key []byte) (string, error) {
	r := wire.NewReader(key)
	r.Int16()
	id := r.FixedString()
	return id, r.Err()
}

// ParseGroup decodes a record of __consumer_offsets. The Value is nil for a tombstone (value is nil). Nothing in the result aliases key or value.
// Errors wrap ErrMalformed or ErrUnknownKind.
func ParseGroup(key, value []byte) (Key, Value, error) {
	return parse(key, value, newGroupKey, newGroupValue)
}

// ParseShare decodes a record of __share_group_state, as ParseGroup does.
func ParseShare(key, value []byte) (Key, Value, error) {
	return parse(key, value, newShareKey, newShareValue)
}

// parse ignores bytes after the end, as Kafka does here.
func parse(key, value []byte, newKey func(int16) Key, newValue func(int16) Value) (Key, Value, error) {
	r := wire.NewReader(key)
	kind := r.Int16()
	if err := r.Err(); err != nil {
		return nil, nil, fmt.Errorf("kind in the key: %w", err)
	}
	k := newKey(kind)
	if k == nil {
		return nil, nil, fmt.Errorf("kind %d: %w", kind, ErrUnknownKind)
	}
	k.readFrom(r, 0)
	if err := r.Err(); err != nil {
		return nil, nil, fmt.Errorf("%T: %w", k, err)
	}
	if value == nil {
		return k, nil, nil
	}
	v := newValue(kind)
	r = wire.NewReader(value)
	version := r.Int16()
	if r.Err() == nil && (version < 0 || version > v.MaxVersion()) {
		return nil, nil, fmt.Errorf("%T version %d, written by a newer Kafka (newest known: %d): %w", v, version, v.MaxVersion(), ErrMalformed)
	}
	v.readFrom(r, version)
	if err := r.Err(); err != nil {
		return nil, nil, fmt.Errorf("%T version %d: %w", v, version, err)
	}
	return k, v, nil
}
