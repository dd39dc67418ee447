package log

// verification is a proof under way that the coordinator of a transaction knows of this partition (KIP-890). Its guard is given out before the
// coordinator is asked, and must still be the same when the first batch of the transaction is appended: a marker that was written in between takes it
// away, so that no transaction begins here that nobody will ever end.
type verification struct {
	guard          uint64
	epoch          int16
	lowestSequence int32 // of the batches that wait for the answer
	v2             bool  // each transaction has an epoch of its own, which begins with sequence 0
	sinceMs        int64
}

// VerifyTxn begins to verify that a transaction of the producer includes this partition and returns the guard to append its batch with. It returns 0
// when the transaction is open here, so that nothing needs to be verified. firstSequence is that of the batch; v2 says that the producer speaks
// transaction version 2.
func (l *Log) VerifyTxn(producerID int64, epoch int16, firstSequence int32, v2 bool) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inTxn(producerID, epoch) {
		return 0
	}
	v := l.verifications[producerID]
	if v == nil {
		l.lastGuard++
		v = &verification{guard: l.lastGuard, epoch: epoch, lowestSequence: firstSequence, v2: v2, sinceMs: l.nowMs()}
		if l.verifications == nil {
			l.verifications = map[int64]*verification{}
		}
		l.verifications[producerID] = v
	}
	if v.v2 && epoch > v.epoch {
		v.epoch, v.lowestSequence = epoch, firstSequence
	}
	if epoch == v.epoch {
		v.lowestSequence = min(v.lowestSequence, firstSequence)
	}
	return v.guard
}

// inTxn reports whether the producer has a transaction open in its epoch. l.mu must be held.
func (l *Log) inTxn(producerID int64, epoch int16) bool {
	p := l.producers.byID[producerID]
	return p != nil && p.txnFirstOffset >= 0 && p.epoch == epoch
}

// verified reports whether guard is the producer's. l.mu must be held.
func (l *Log) verified(producerID int64, guard uint64) bool {
	v := l.verifications[producerID]
	return v != nil && v.guard == guard
}

// expireVerifications forgets proofs that nobody came back with. l.mu must be held.
func (l *Log) expireVerifications(nowMs int64) {
	for id, v := range l.verifications {
		if nowMs-v.sinceMs >= l.producerIDExpirationMs() {
			delete(l.verifications, id)
		}
	}
}
