package log

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/gokafka/gokafka/internal/protocol"
)

// What the name of a partition's directory ends with when it is no partition in
// use: deleted and on its way out, on its way in from another log directory, or of
// a topic that the cluster does not have.
const (
	suffixDelete = "-delete"
	suffixFuture = "-future"
	suffixStray  = "-stray"
)

// maxNameBytes is what file systems allow a name to have.
const maxNameBytes = 255

// parseDirName takes the name of a partition's directory apart: the partition
// follows the last dash, as a topic may have dashes itself.
func parseDirName(name string) (tp protocol.TopicPartition, ok bool) {
	dash := strings.LastIndexByte(name, '-')
	if dash <= 0 || dash == len(name)-1 || len(name) > maxNameBytes {
		return tp, false
	}
	n, err := strconv.ParseInt(name[dash+1:], 10, 32)
	if err != nil || n < 0 || strconv.Itoa(int(n)) != name[dash+1:] {
		return tp, false
	}
	return protocol.TopicPartition{Topic: name[:dash], Partition: int32(n)}, true
}

// suffixedName returns a new name for a partition's directory that no partition
// can have: <topic>-<n>.<32 hex digits><suffix>, the topic cut where all would be
// too long.
func suffixedName(tp protocol.TopicPartition, suffix string) string {
	var id [16]byte
	rand.Read(id[:])
	tail := "." + hex.EncodeToString(id[:]) + suffix
	name := tp.String()
	return name[:min(len(name), maxNameBytes-len(tail))] + tail
}

// futureName returns a new name for the directory of a partition on its way in from
// another log directory. It is never cut: the next start must know whose it is.
func futureName(tp protocol.TopicPartition) (name string, ok bool) {
	var id [16]byte
	rand.Read(id[:])
	name = tp.String() + "." + hex.EncodeToString(id[:]) + suffixFuture
	return name, len(name) <= maxNameBytes
}

// parseFutureName takes a name made by futureName apart.
func parseFutureName(name string) (tp protocol.TopicPartition, ok bool) {
	if !hasSuffix(name, suffixFuture) {
		return tp, false
	}
	return parseDirName(name[:strings.LastIndexByte(name, '.')])
}

// hasSuffix reports whether name was made by suffixedName with the suffix.
func hasSuffix(name, suffix string) bool {
	rest, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return false
	}
	dot := strings.LastIndexByte(rest, '.')
	if dot < 0 || len(rest)-dot-1 != 32 {
		return false
	}
	_, err := hex.DecodeString(rest[dot+1:])
	return err == nil
}
