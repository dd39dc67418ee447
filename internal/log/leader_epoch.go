package log

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gokafka/gokafka/internal/vfs"
)

const leaderEpochFile = "leader-epoch-checkpoint"

// epochStart is a leader epoch and the first offset written in it.
type epochStart struct {
	epoch       int32
	startOffset int64
}

// leaderEpochs is the history of a log's leaders (KIP-101), ascending in both
// columns. Readers take no lock. Every batch carries its epoch, so the file is
// written late: by flush before the recovery point moves, after that the scan of
// recovery finds the rest. An epoch that begins at the log end has no batch; a start
// would drop it, as Kafka's does, so it is not written: a log that is led anew and
// not written to needs no new file.
type leaderEpochs struct {
	entries atomic.Pointer[[]epochStart] // never nil, never changed in place
	fileMu  sync.Mutex                   // held while writing the file
	written []epochStart                 // guarded by fileMu: what the file holds
}

func (e *leaderEpochs) list() []epochStart { return *e.entries.Load() }

func (e *leaderEpochs) set(entries []epochStart) { e.entries.Store(&entries) }

func (e *leaderEpochs) latest() int32 {
	if l := e.list(); len(l) > 0 {
		return l[len(l)-1].epoch
	}
	return -1
}

// assign says that epoch begins at startOffset. Entries that contradict it (a
// later offset of an older leader) give way, as LeaderEpochFileCache.assign of
// Kafka does.
func (e *leaderEpochs) assign(epoch int32, startOffset int64) {
	l := e.list()
	if n := len(l); n > 0 && l[n-1].epoch == epoch && l[n-1].startOffset <= startOffset {
		return
	}
	keep := len(l)
	for keep > 0 && (l[keep-1].epoch >= epoch || l[keep-1].startOffset >= startOffset) {
		keep--
	}
	e.set(append(slices.Clone(l[:keep]), epochStart{epoch, startOffset}))
}

// at returns the epoch that offset was, or would be, written in; −1 when unknown.
func (e *leaderEpochs) at(offset int64) int32 {
	l := e.list()
	for i := len(l) - 1; i >= 0; i-- {
		if l[i].startOffset <= offset {
			return l[i].epoch
		}
	}
	return -1
}

// endOffset returns the largest epoch not above the one asked for and where the
// next one begins, as LeaderEpochFileCache.endOffsetFor of Kafka does; −1, −1
// when that is not known.
func (e *leaderEpochs) endOffset(epoch int32, logEndOffset int64) (int32, int64) {
	l := e.list()
	if epoch < 0 || len(l) == 0 || epoch > l[len(l)-1].epoch {
		return -1, -1
	}
	if epoch == l[len(l)-1].epoch {
		return epoch, logEndOffset
	}
	higher := slices.IndexFunc(l, func(s epochStart) bool { return s.epoch > epoch })
	if higher == 0 { // older than all that is known: the log began after it
		return epoch, l[0].startOffset
	}
	return l[higher-1].epoch, l[higher].startOffset
}

// truncateEnd forgets epochs that begin at or after endOffset.
func (e *leaderEpochs) truncateEnd(endOffset int64) {
	l := e.list()
	keep := len(l)
	for keep > 0 && l[keep-1].startOffset >= endOffset {
		keep--
	}
	if keep < len(l) {
		e.set(slices.Clone(l[:keep]))
	}
}

// truncateStart forgets epochs that ended before startOffset.
func (e *leaderEpochs) truncateStart(startOffset int64) {
	l := e.list()
	drop := 0
	for drop+1 < len(l) && l[drop+1].startOffset <= startOffset {
		drop++
	}
	if len(l) == 0 || drop == 0 && l[0].startOffset >= startOffset {
		return
	}
	l = slices.Clone(l[drop:])
	l[0].startOffset = max(l[0].startOffset, startOffset)
	e.set(l)
}

// write brings the file up to date with the epochs that begin below the log end, and
// reports whether that took writing: the directory is synced then, too.
func (e *leaderEpochs) write(fsys vfs.FS, dir string, end int64, sync bool) (wrote bool, err error) {
	e.fileMu.Lock()
	defer e.fileMu.Unlock()
	l := e.list()
	for len(l) > 0 && l[len(l)-1].startOffset >= end {
		l = l[:len(l)-1]
	}
	if slices.Equal(l, e.written) {
		return false, nil
	}
	if err := fsys.WriteFileAtomic(dir+"/"+leaderEpochFile, formatEpochs(l), sync); err != nil {
		return false, err
	}
	e.written = l
	return true, nil
}

func formatEpochs(entries []epochStart) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "0\n%d\n", len(entries))
	for _, s := range entries {
		fmt.Fprintf(&b, "%d %d\n", s.epoch, s.startOffset)
	}
	return b.Bytes()
}

// parseEpochs reads the file. An empty one holds nothing.
func parseEpochs(name string, text []byte) ([]epochStart, error) {
	var entries []epochStart
	err := parseCheckpoint(name, text, 2, func(fields []string) error {
		epoch, err := parseInt(fields[0], 32)
		if err != nil {
			return err
		}
		start, err := parseInt(fields[1], 64)
		if err != nil {
			return err
		}
		if n := len(entries); n > 0 && (entries[n-1].epoch >= int32(epoch) || entries[n-1].startOffset >= start) {
			return fmt.Errorf("epoch %d at offset %d does not come after epoch %d at offset %d", epoch, start, entries[n-1].epoch, entries[n-1].startOffset)
		}
		entries = append(entries, epochStart{int32(epoch), start})
		return nil
	})
	return entries, err
}
