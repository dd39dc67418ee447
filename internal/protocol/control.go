package protocol

// ControlType is the kind of a control record, as in its key.
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

// ControlMarker returns key and value of the record that ends a transaction in a partition: kind is ControlAbort or ControlCommit.
func ControlMarker(kind ControlType, coordinatorEpoch int32) (key, value []byte) {
	return nil, nil
}

// ParseControlMarker returns the kind of a control record and, for ControlAbort and ControlCommit, the epoch of the coordinator that wrote it
// (-1 for the others, whose value is a message of its own). The error wraps kerr.CorruptMessage.
func ParseControlMarker(r Record) (kind ControlType, coordinatorEpoch int32, err error) {
	return 0, -1, errNotYet
}
