package log

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/gokafka/gokafka/internal/vfs"
)

// CorruptionError says where a file holds something that cannot be right. To a
// client it is KAFKA_STORAGE_ERROR.
type CorruptionError struct {
	File     string
	Position int64 // byte in the file
	Reason   string
}

func (e *CorruptionError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s", e.File, e.Position, e.Reason)
}

// Unwrap makes it KAFKA_STORAGE_ERROR.
func (e *CorruptionError) Unwrap() error { return kerr.KafkaStorageError }

func corrupt(file string, position int64, format string, args ...any) error {
	return &CorruptionError{File: file, Position: position, Reason: fmt.Sprintf(format, args...)}
}

// ErrClosed is what a closed log answers; to a client it is KAFKA_STORAGE_ERROR.
var ErrClosed = fmt.Errorf("the log is closed: %w", kerr.KafkaStorageError)

// ErrMoved is what a log answers that has gone to another log directory: its
// Successor goes on. To a client it is KAFKA_STORAGE_ERROR.
var ErrMoved = fmt.Errorf("the partition has moved to another log directory: %w", kerr.KafkaStorageError)

// errDeleted is what a deleted log answers.
var errDeleted = fmt.Errorf("the partition was deleted: %w", kerr.UnknownTopicOrPartition)

// storageError makes an error of a file KAFKA_STORAGE_ERROR and keeps its text.
func storageError(doing string, err error) error {
	if errors.Is(err, kerr.KafkaStorageError) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if vfs.IsNoSpace(err) {
		return fmt.Errorf("%s: %w: the disk is full, make room or lower the retention: %w", doing, kerr.KafkaStorageError, err)
	}
	return fmt.Errorf("%s: %w: %w", doing, kerr.KafkaStorageError, err)
}

// The refusals of a producer's batch, with the names that Kafka gives them.
var (
	errOutOfOrderSequence   = kerr.OutOfOrderSequenceNumber
	errInvalidProducerEpoch = kerr.InvalidProducerEpoch
	errInvalidTxnState      = kerr.InvalidTxnState
	errCoordinatorFenced    = kerr.TransactionCoordinatorFenced
)

// IsNoSpace reports whether err came from a full disk: what failed may be tried again when there is room.
func IsNoSpace(err error) bool { return vfs.IsNoSpace(err) }
