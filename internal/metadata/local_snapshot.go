package metadata

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"
)

const snapshotSuffix = ".checkpoint"

// keptSnapshots is how many snapshots stay: the newest, and one more in case it is damaged.
const keptSnapshots = 2

// snapshotID names a snapshot: it stands for all records below offset, the last of which is of epoch.
type snapshotID struct {
	offset int64
	epoch  int32
}

func (s snapshotID) name() string {
	return fmt.Sprintf("%020d-%010d%s", s.offset, s.epoch, snapshotSuffix)
}

func parseSnapshotName(name string) (snapshotID, bool) {
	stem, ok := strings.CutSuffix(name, snapshotSuffix)
	offset, epoch, dash := strings.Cut(stem, "-")
	if !ok || !dash || len(offset) != 20 || len(epoch) != 10 {
		return snapshotID{}, false
	}
	o, err := strconv.ParseInt(offset, 10, 64)
	e, err2 := strconv.ParseInt(epoch, 10, 32)
	if err != nil || err2 != nil || o < 0 || e < 0 {
		return snapshotID{}, false
	}
	return snapshotID{o, int32(e)}, true
}

// listSnapshots returns the snapshots in the log's directory, ascending. A missing directory has none.
func (j *localJournal) listSnapshots() ([]snapshotID, error) {
	infos, err := j.FS.List(j.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []snapshotID
	for _, info := range infos {
		if id, ok := parseSnapshotName(info.Name); ok && !info.Dir {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b snapshotID) int {
		return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.epoch, b.epoch))
	})
	return ids, nil
}

// published is journal.published: it begins a snapshot when metadata.log.max.record.bytes.between.snapshots have been written since the last one, or
// metadata.log.max.snapshot.interval.ms have passed. The image is immutable, so the snapshot is written while the controller goes on.
func (j *localJournal) published(img *Image) {
	j.finishSnapshot(false)
	if j.writing != nil {
		return
	}
	c := j.Config()
	interval := c.Int64("metadata.log.max.snapshot.interval.ms")
	nowMs := j.NowMs()
	if j.bytesSince < c.Int64("metadata.log.max.record.bytes.between.snapshots") && (interval <= 0 || nowMs-j.lastMs < interval) {
		return
	}
	j.bytesSince, j.lastMs = 0, nowMs
	j.writingID = snapshotID{img.offset + 1, img.epoch}
	done := make(chan struct{})
	j.writing = done
	go func() { // ended by finishSnapshot, which close calls
		defer close(done)
		j.writingResult = j.writeSnapshot(img, nowMs)
	}()
}

func (j *localJournal) writeSnapshot(img *Image, nowMs int64) error {
	data, err := encodeSnapshot(img, nowMs)
	if err != nil {
		return err
	}
	return j.FS.WriteFileAtomic(path.Join(j.dir, snapshotID{img.offset + 1, img.epoch}.name()), data, true)
}

// finishSnapshot takes note of a snapshot that has been written since, and waits for one under way if it is told to. Then older ones go, and once
// the log is larger than metadata.max.retention.bytes, so does what they stand for.
func (j *localJournal) finishSnapshot(wait bool) {
	if j.writing == nil {
		return
	}
	select {
	case <-j.writing:
	default:
		if !wait {
			return
		}
		<-j.writing
	}
	j.writing = nil
	if j.writingResult != nil {
		// The log has everything: a missing snapshot costs time at the next start.
		j.Logger.Error("metadata snapshot cannot be written", zap.String("dir", j.dir), errField(j.writingResult))
		return
	}
	j.Logger.Info("metadata snapshot written", zap.String("dir", j.dir), zap.String("snapshot", j.writingID.name()))
	j.snapshots = append(j.snapshots, j.writingID)
	for len(j.snapshots) > keptSnapshots {
		if err := j.FS.Remove(path.Join(j.dir, j.snapshots[0].name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			j.Logger.Warn("old metadata snapshot cannot be removed", zap.String("dir", j.dir), errField(err))
			return
		}
		j.snapshots = j.snapshots[1:]
	}
	if j.log.SizeBytes() <= j.Config().Int64("metadata.max.retention.bytes") {
		return
	}
	if _, err := j.log.DeleteRecordsTo(j.snapshots[0].offset); err != nil {
		j.Logger.Warn("metadata log cannot be shortened", zap.String("dir", j.dir), errField(err))
		return
	}
	if _, err := j.log.Retain(j.NowMs()); err != nil {
		j.Logger.Warn("metadata log cannot be shortened", zap.String("dir", j.dir), errField(err))
	}
}

// propertyUUID finds an id in the text of a meta.properties.
func propertyUUID(text []byte, key string) (id [16]byte, ok bool) {
	for line := range strings.Lines(string(text)) {
		k, v, found := strings.Cut(strings.TrimSpace(line), "=")
		if !found || strings.TrimSpace(k) != key {
			continue
		}
		b, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(v))
		if err == nil && len(b) == len(id) {
			return [16]byte(b), true
		}
	}
	return id, false
}
