package log

import (
	"context"

	"github.com/gokafka/gokafka/internal/protocol"
)

// groupCleaner writes one group of segments anew.
type groupCleaner struct {
	*cleaner
	ctx       context.Context
	job       *cleanJob
	txns      *cleanedTxns
	producers map[int64]ProducerState
	nowMs     int64
	horizonMs int64 // for tombstones and markers that have none; −1 for never
	to        *cleanedSegment
	changed   bool // what is written differs from what was read
}

// cleanGroup writes a group of segments as one and puts it in their place.
func (c *cleaner) cleanGroup(ctx context.Context, j *cleanJob, group []*segment, txns *cleanedTxns, nowMs int64) (err error) {
	l := j.log
	config := l.config.Load()
	horizonMs := nowMs + config.DeleteRetentionMs
	if horizonMs < nowMs { // larger than a timestamp can be
		horizonMs = noTimestamp
	}
	c.out = c.out[:0]
	g := &groupCleaner{cleaner: c, ctx: ctx, job: j, txns: txns, nowMs: nowMs, horizonMs: horizonMs, changed: len(group) > 1}
	g.producers = map[int64]ProducerState{}
	for _, p := range l.Producers() {
		g.producers[p.ProducerID] = p
	}
	if g.to, err = createCleaned(l.fs, l.dir, group[0].base, int64(config.IndexIntervalBytes)); err != nil {
		return l.writeFailed("create "+l.dir+"/"+segmentName(group[0].base)+extLog+extCleaned, err)
	}
	defer func() {
		if e := g.to.discard(); err == nil && e != nil {
			err = l.writeFailed("remove "+g.to.path(extLog), e)
		}
	}()
	for i, s := range group {
		end := j.view.endOf(j.view.floor(s.base))
		if i+1 < len(group) {
			end = group[i+1].base
		}
		aborted, err := l.AbortedTxns(s.base, end)
		if err != nil {
			return err
		}
		txns.expect(aborted)
		if err := c.eachBatch(ctx, s, 0, g.batch); err != nil {
			return err
		}
		if err := g.flush(); err != nil {
			return err
		}
	}
	if kept, err := group[0].abortedTxns(); err != nil || !g.changed && len(kept) == len(g.to.txns) {
		return err // a segment that stays as it is
	}
	if err := g.to.finish(); err != nil {
		return l.writeFailed("write "+g.to.path(extLog), err)
	}
	return l.replaceSegments(j.view.cuts, group, g.to)
}

// batch decides what stays of a batch, as the RecordFilter in Kafka's Cleaner
// does.
func (g *groupCleaner) batch(b protocol.Batch) error {
	g.stats.bytesRead += int64(len(b))
	o := protocol.RetainOptions{DeleteHorizonMs: g.horizonMs, KeepEmpty: g.keepsSequence(b) || b.LastOffset()+1 == g.job.until}
	discard := false
	if b.IsControl() {
		obsolete, entry, err := g.txns.marker(b, &g.rewriter)
		if err != nil {
			return err
		}
		if entry != nil {
			g.to.txns = append(g.to.txns, *entry)
		}
		discard = obsolete && b.HasDeleteHorizon() && b.BaseTimestampMs() <= g.nowMs
		o.SetHorizon = obsolete
	} else {
		discard = g.txns.data(b)
	}
	if discard && !o.KeepEmpty {
		g.stats.recordsRead += int64(b.NumRecords())
		g.changed = true
		return nil
	}
	at := len(g.out)
	out, res, err := g.rewriter.Retain(g.out, b, o, func(r protocol.Record) bool { return !discard && (b.IsControl() || g.keeps(b, r)) })
	g.out = out
	if err != nil {
		return err
	}
	g.stats.recordsRead += int64(res.Read)
	g.stats.recordsKept += int64(res.Kept)
	g.changed = g.changed || !res.Same
	if res.Batch == nil {
		return nil
	}
	if err := g.to.note(res.Batch, int64(at)); err != nil {
		return err
	}
	if len(g.out) < g.ioBytes() {
		return nil
	}
	return g.flush()
}

// keepsSequence reports whether a batch holds what a restart must learn of its
// producer: its last sequence, or, after a marker has begun a new epoch, that.
func (g *groupCleaner) keepsSequence(b protocol.Batch) bool {
	p, ok := g.producers[b.ProducerID()]
	switch {
	case b.ProducerID() < 0 || !ok:
		return false
	case p.LastOffset >= 0:
		return b.LastOffset() == p.LastOffset
	}
	return b.IsControl() && b.ProducerEpoch() == p.Epoch
}

// keeps decides on a record.
func (g *groupCleaner) keeps(b protocol.Batch, r protocol.Record) bool {
	switch {
	case r.Offset > g.keys.latest:
		return true
	case r.Key == nil:
		g.stats.invalid++
		return false
	case r.Offset < g.keys.get(r.Key):
		return false
	}
	return r.Value != nil || !b.HasDeleteHorizon() || g.nowMs < b.BaseTimestampMs()
}

// flush writes what has gathered.
func (g *groupCleaner) flush() error {
	if len(g.out) == 0 {
		return nil
	}
	n := len(g.out)
	if err := g.to.write(g.out); err != nil {
		return g.job.log.writeFailed("write "+g.to.path(extLog), err)
	}
	g.out = g.out[:0]
	g.stats.bytesWritten += int64(n)
	return g.o.pay(g.ctx, n)
}
