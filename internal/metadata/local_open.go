package metadata

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"go.uber.org/zap"

	"github.com/gokafka/gokafka/internal/log"
	"github.com/gokafka/gokafka/internal/metadata/records"
	"github.com/gokafka/gokafka/internal/protocol"
)

// metadataTopicID is the fixed id of __cluster_metadata.
var metadataTopicID = [16]byte{15: 1}

const (
	quorumStateFile = "quorum-state"
	bootstrapFile   = "bootstrap.checkpoint"
	readBytes       = 1 << 20
)

// open loads the state and begins a leader epoch. It returns the image that this node leads from.
func (j *localJournal) open() (_ *Image, err error) {
	p, from, err := j.loadSnapshot()
	if err != nil {
		return nil, err
	}
	j.log, err = log.Open(j.FS, j.dir, log.Options{
		Config: j.logConfig(), NowMs: j.NowMs, Logger: j.Logger, TopicID: metadataTopicID,
		LogStartOffset: from.offset, RecoveryPoint: from.offset,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, j.log.Close())
		}
	}()
	if err := j.meetSnapshot(from); err != nil {
		return nil, err
	}
	last, err := j.replayLog(p, from)
	if err != nil {
		return nil, err
	}
	if err := j.checkVoters(&p.img); err != nil {
		return nil, err
	}
	return j.lead(p, last)
}

// loadSnapshot replays the newest snapshot that can be read. from is where the log goes on.
func (j *localJournal) loadSnapshot() (p *replayer, from snapshotID, err error) {
	if j.snapshots, err = j.listSnapshots(); err != nil {
		return nil, from, err
	}
	for i := len(j.snapshots) - 1; i >= 0; i-- {
		from = j.snapshots[i]
		p = newReplayer(newImage(j.ClusterID))
		data, err := j.FS.ReadFile(path.Join(j.dir, from.name()))
		if err == nil {
			p.img.timestampMs, err = decodeSnapshot(data, p)
		}
		if err == nil && p.inTransaction {
			err = fmt.Errorf("%w: a transaction does not end", errSnapshot)
		}
		if err == nil {
			p.img.offset, p.img.epoch = from.offset-1, from.epoch
			return p, from, nil
		}
		j.Logger.Warn("metadata snapshot cannot be read, an older one or the log must do", zap.String("dir", j.dir), zap.String("snapshot", from.name()), errField(err))
	}
	return newReplayer(newImage(j.ClusterID)), snapshotID{}, nil
}

// meetSnapshot makes the log go on where the snapshot ends. The snapshot was written after the records that it stands for were durable, so a log
// that ends before it has lost nothing that matters, as in Kafka's raft.
func (j *localJournal) meetSnapshot(from snapshotID) error {
	if start := j.log.StartOffset(); start > from.offset {
		return fmt.Errorf("the log begins at offset %d, and there is no readable snapshot of what was before it", start)
	}
	if end := j.log.EndOffset(); end < from.offset {
		j.Logger.Warn("metadata log ends before the newest snapshot, going on from the snapshot", zap.String("dir", j.dir),
			zap.Int64("log_end_offset", end), zap.Int64("offset", from.offset))
		return j.log.TruncateFullyAt(from.offset)
	}
	return nil
}

// replayLog replays the log from the snapshot's end on and returns the epoch of its last batch.
func (j *localJournal) replayLog(p *replayer, from snapshotID) (lastEpoch int32, err error) {
	lastEpoch = from.epoch
	end := j.log.EndOffset()
	var buf []byte
	for offset := from.offset; offset < end; {
		region, err := j.log.Read(offset, end, readBytes, true)
		if err != nil {
			return 0, err
		}
		if region.Len() == 0 {
			region.Release()
			return 0, fmt.Errorf("nothing to read at offset %d of %d", offset, end)
		}
		buf, err = region.AppendTo(buf[:0])
		region.Release()
		if err != nil {
			return 0, err
		}
		for batch, err := range protocol.Batches(buf) {
			if err != nil {
				return 0, fmt.Errorf("offset %d: %w", offset, err)
			}
			if batch.LastOffset() < offset {
				continue
			}
			if err := p.batch(batch, offset); err != nil {
				return 0, err
			}
			offset = batch.LastOffset() + 1
			lastEpoch = max(lastEpoch, batch.LeaderEpoch())
			p.img.timestampMs = batch.MaxTimestampMs()
		}
	}
	return lastEpoch, nil
}

// batch replays the records of a batch from offset on.
func (p *replayer) batch(batch protocol.Batch, from int64) error {
	if err := batch.CheckCRC(); err != nil {
		return fmt.Errorf("offset %d: %w", batch.BaseOffset(), err)
	}
	for r, err := range batch.Records() {
		if err == nil && r.Offset >= from {
			err = p.record(batch.IsControl(), r)
		}
		if err != nil {
			return fmt.Errorf("offset %d: %w", r.Offset, err)
		}
	}
	return nil
}

func (p *replayer) record(control bool, r protocol.Record) error {
	if control {
		c, err := parseControl(r)
		if err != nil {
			return err
		}
		return p.control(c)
	}
	v, err := records.Parse(r.Value)
	if err != nil {
		return err
	}
	return p.apply(v.Record)
}

// checkVoters refuses the metadata of a quorum that this node is not alone.
func (j *localJournal) checkVoters(img *Image) error {
	if img.voters == nil {
		return nil
	}
	if v := img.voters.Voters; len(v) != 1 {
		return errOtherVoters
	} else if v[0].VoterID != j.NodeID {
		return fmt.Errorf("the metadata belongs to controller %d, and node.id is %d", v[0].VoterID, j.NodeID)
	}
	return nil
}

// lead begins a new leader epoch after the last one that the log or quorum-state knows. One append holds what begins it: the leader change, the end
// of a transaction that was cut off, the first records of a new cluster, and who this controller is.
func (j *localJournal) lead(p *replayer, lastEpoch int32) (*Image, error) {
	epoch := max(lastEpoch, j.log.LeaderEpoch(), j.readQuorumEpoch()) + 1
	fresh := p.img.features.len() == 0
	j.fresh = fresh
	w := &epochWriter{p: p, epoch: epoch, offset: j.log.EndOffset(), nowMs: j.NowMs()}

	voter := []records.LeaderChangeVoter{{VoterID: j.NodeID}}
	start := []records.Control{&records.LeaderChangeRecord{LeaderID: j.NodeID, Voters: voter, GrantingVoters: voter}}
	if fresh {
		if err := j.beginCluster(p); err != nil {
			return nil, err
		}
		start = append(start, p.img.quorum.records()...)
	}
	w.control(start...)
	if p.inTransaction {
		reason := "the controller that began it is gone"
		w.data(records.V0(&records.AbortTransactionRecord{Reason: &reason}))
	}
	if fresh {
		list, err := j.bootstrapRecords()
		if err != nil {
			return nil, err
		}
		w.data(list...)
	}
	incarnation, err := j.newUUID()
	if err != nil {
		return nil, err
	}
	w.data(records.V0(&records.RegisterControllerRecord{
		ControllerID: j.NodeID, IncarnationID: incarnation,
		EndPoints: endpointRecords(j.controllerEndpoints()), Features: featureRecords(SupportedFeatures()),
	}))
	if w.err != nil {
		return nil, w.err
	}
	// quorum-state first: an epoch that it knows is never used twice.
	if err := j.writeQuorumState(epoch, p.img.kraftVersion); err != nil {
		return nil, err
	}
	if err := j.append(w.out); err != nil {
		return nil, err
	}
	j.lastMs = w.nowMs
	return p.image(w.offset-1, epoch, w.nowMs)
}

// beginCluster decides how voters are kept, as kafka-storage format does: with static voters as before KIP-853, else in the log, and then in a
// snapshot of offset 0 from which Kafka learns them too.
func (j *localJournal) beginCluster(p *replayer) error {
	if p.img.kraftVersion > 0 || j.staticVoters() {
		return nil
	}
	id, err := j.directoryID()
	if err != nil {
		return err
	}
	voter := records.Voter{VoterID: j.NodeID, VoterDirectoryID: id, KRaftVersionFeature: records.KRaftVersionFeature{MaxSupportedVersion: 1}}
	for _, e := range j.controllerEndpoints() {
		voter.Endpoints = append(voter.Endpoints, records.VoterEndpoint{Name: e.Name, Host: e.Host, Port: e.Port})
	}
	p.img.quorum = quorum{kraftVersion: 1, voters: &records.VotersRecord{Voters: []records.Voter{voter}}}
	if len(j.snapshots) > 0 || j.log.EndOffset() > 0 {
		return nil
	}
	empty := newImage(j.ClusterID)
	empty.quorum, empty.timestampMs = p.img.quorum, j.NowMs()
	data, err := encodeSnapshot(empty, j.NowMs())
	if err != nil {
		return err
	}
	return j.FS.WriteFileAtomic(path.Join(j.dir, snapshotID{}.name()), data, true)
}

// bootstrapRecords are the first records of a cluster: what bootstrap.checkpoint says, which kafka-storage may have written, else our defaults, which
// then go into that file.
func (j *localJournal) bootstrapRecords() ([]records.Versioned, error) {
	name := path.Join(j.Dir, bootstrapFile)
	p := newReplayer(newImage(j.ClusterID))
	data, err := j.FS.ReadFile(name)
	switch {
	case err == nil:
		if _, err := decodeSnapshot(data, p); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	case errors.Is(err, fs.ErrNotExist):
		for _, f := range bootstrapFeatures {
			p.img.features = p.img.features.put(f.Name, f.Min)
		}
		img, err := p.image(-1, 0, 0)
		if err == nil {
			data, err = encodeSnapshot(img, j.NowMs())
		}
		if err == nil {
			err = j.FS.WriteFileAtomic(name, data, true)
		}
		if err != nil {
			return nil, err
		}
	default:
		return nil, err
	}
	img, err := p.image(-1, 0, 0)
	if err != nil {
		return nil, err
	}
	title := "Bootstrap records"
	list := []records.Versioned{records.V0(&records.BeginTransactionRecord{Name: &title})}
	img.records(func(r records.Versioned) { list = append(list, r) })
	if _, set := img.BrokerConfig(-1)[minInsyncReplicas]; img.elrEnabled() && !set {
		value := fmt.Sprint(j.Config().Int(minInsyncReplicas))
		list = append(list, records.V0(&records.ConfigRecord{ResourceType: ResourceBroker, Name: minInsyncReplicas, Value: &value}))
	}
	return append(list, records.V0(&records.EndTransactionRecord{})), nil
}

// epochWriter collects batches and replays them as it goes.
type epochWriter struct {
	p      *replayer
	epoch  int32
	offset int64
	nowMs  int64
	out    []byte
	err    error
}

func (w *epochWriter) control(list ...records.Control) {
	batch, err := encodeControl(w.offset, w.epoch, w.nowMs, list...)
	for _, c := range list {
		err = errors.Join(err, w.p.control(c))
	}
	w.put(batch, len(list), err)
}

func (w *epochWriter) data(list ...records.Versioned) {
	batch, err := encodeBatch(w.offset, w.epoch, w.nowMs, list)
	for _, r := range list {
		err = errors.Join(err, w.p.apply(r.Record))
	}
	w.put(batch, len(list), err)
}

func (w *epochWriter) put(batch []byte, count int, err error) {
	w.err = errors.Join(w.err, err)
	w.out = append(w.out, batch...)
	w.offset += int64(count)
}

func batchEpoch(batches []byte) int32 { return protocol.Batch(batches).LeaderEpoch() }

// quorumState is the file quorum-state: version 0 with kraft.version 0, version 1 above.
type quorumState struct {
	ClusterID        *string       `json:"clusterId,omitempty"`
	LeaderID         int32         `json:"leaderId"`
	LeaderEpoch      int32         `json:"leaderEpoch"`
	VotedID          int32         `json:"votedId"`
	VotedDirectoryID *string       `json:"votedDirectoryId,omitempty"`
	AppliedOffset    *int64        `json:"appliedOffset,omitempty"`
	CurrentVoters    []quorumVoter `json:"currentVoters,omitempty"`
	DataVersion      int16         `json:"data_version"`
}

type quorumVoter struct {
	VoterID int32 `json:"voterId"`
}

func (j *localJournal) writeQuorumState(epoch int32, kraftVersion int16) error {
	q := quorumState{LeaderID: j.NodeID, LeaderEpoch: epoch, VotedID: -1}
	if kraftVersion == 0 {
		q.ClusterID, q.AppliedOffset, q.CurrentVoters = new(string), new(int64), []quorumVoter{{j.NodeID}}
	} else {
		none := uuidString([16]byte{})
		q.VotedDirectoryID, q.DataVersion = &none, 1
	}
	text, err := json.Marshal(q)
	if err != nil {
		return err
	}
	return j.FS.WriteFileAtomic(path.Join(j.dir, quorumStateFile), text, true)
}

// readQuorumEpoch returns the epoch that quorum-state knows. Without a readable one the log decides: with one voter no vote can be forgotten.
func (j *localJournal) readQuorumEpoch() int32 {
	text, err := j.FS.ReadFile(path.Join(j.dir, quorumStateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	var q quorumState
	if err == nil {
		err = json.Unmarshal(text, &q)
	}
	if err != nil {
		j.Logger.Warn("quorum-state cannot be read, the log decides the epoch", zap.String("dir", j.dir), errField(err))
		return 0
	}
	return q.LeaderEpoch
}
