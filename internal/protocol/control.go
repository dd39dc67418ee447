package protocol

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// ControlType is the kind of a control record, as in its key. Kinds that are not listed are to be ignored, not refused.
type ControlType int16

// The kinds of control records.
const (
	ControlAbort          ControlType = 0
	ControlCommit         ControlType = 1
	ControlLeaderChange   ControlType = 2
	ControlSnapshotHeader ControlType = 3
	ControlSnapshotFooter ControlType = 4
	ControlKRaftVersion   ControlType = 5
	ControlKRaftVoters    ControlType = 6
)

const (
	controlKeyBytes   = 4 // version int16 | kind int16
	controlValueBytes = 6 // version int16 | coordinator epoch int32
)

// ControlKey returns the key of a control record.
func ControlKey(kind ControlType) []byte {
	return binary.BigEndian.AppendUint16(make([]byte, 2, controlKeyBytes), uint16(kind))
}

// ControlMarker returns key and value of the record that ends a transaction in a partition: kind is ControlAbort or ControlCommit.
func ControlMarker(kind ControlType, coordinatorEpoch int32) (key, value []byte) {
	return ControlKey(kind), binary.BigEndian.AppendUint32(make([]byte, 2, controlValueBytes), uint32(coordinatorEpoch))
}

// ParseControlMarker returns the kind of a control record and, for ControlAbort and ControlCommit, the epoch of the coordinator that wrote it
// (-1 for the others, whose value is a message of its own). The error wraps kerr.CorruptMessage.
func ParseControlMarker(r Record) (kind ControlType, coordinatorEpoch int32, err error) {
	if len(r.Key) < controlKeyBytes || int16(binary.BigEndian.Uint16(r.Key)) < 0 {
		return 0, -1, fmt.Errorf("control record at offset %d: key %x: %w", r.Offset, r.Key, kerr.CorruptMessage)
	}
	kind = ControlType(binary.BigEndian.Uint16(r.Key[2:]))
	if kind != ControlAbort && kind != ControlCommit {
		return kind, -1, nil
	}
	if len(r.Value) < controlValueBytes || int16(binary.BigEndian.Uint16(r.Value)) < 0 {
		return kind, -1, fmt.Errorf("control record at offset %d: value %x: %w", r.Offset, r.Value, kerr.CorruptMessage)
	}
	return kind, int32(binary.BigEndian.Uint32(r.Value[2:])), nil
}
