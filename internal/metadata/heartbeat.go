package metadata

import (
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata/records"
)

// brokerState is where a broker is on its way through life.
type brokerState int8

const (
	brokerFenced brokerState = iota
	brokerUnfenced
	brokerShuttingDown // hands over its leaderships
	brokerShutdownNow
)

// brokerHeartbeat answers BrokerHeartbeat: fences, unfences and lets go (BrokerHeartbeatManager in Kafka).
func (s *step) brokerHeartbeat(req *kmsg.BrokerHeartbeatRequest) (kmsg.Response, error) {
	resp := respond[*kmsg.BrokerHeartbeatResponse](req)
	if err := s.checkBrokerEpoch(req.BrokerID, req.BrokerEpoch); err != nil {
		resp.ErrorCode, _ = codeOf(err)
		resp.IsFenced = true
		return resp, nil
	}
	b := s.img.Broker(req.BrokerID)
	now := stateOf(b)
	next := s.nextState(b, now, req)
	c := contact{atMs: s.nowMs, epoch: b.Epoch, metadataOffset: req.CurrentMetadataOffset, shutdownOffset: -1}
	if was, ok := s.contacts[b.ID]; ok && was.epoch == b.Epoch {
		c.shutdownOffset = was.shutdownOffset
	}
	if now != next {
		switch next {
		case brokerFenced, brokerShutdownNow:
			if !b.Fenced {
				s.fence(b)
			}
			if next == brokerShutdownNow {
				c.atMs = math.MinInt64 / 2 // no session: its next incarnation may come at once
			}
		case brokerUnfenced:
			s.unfence(b)
		case brokerShuttingDown:
			s.enterShutdown(b)
			c.shutdownOffset = s.base + int64(len(s.records)) - 1
		}
	}
	s.contacts[b.ID] = c
	s.directoriesOffline(b, req.OfflineLogDirs)
	s.directoriesCordoned(b, req.CordonedLogDirs)

	resp.IsCaughtUp = req.CurrentMetadataOffset >= b.Epoch
	resp.IsFenced = next == brokerFenced || next == brokerShutdownNow
	resp.ShouldShutdown = next == brokerShutdownNow
	return resp, nil
}

func stateOf(b *Broker) brokerState {
	switch {
	case b.Fenced:
		return brokerFenced
	case b.InControlledShutdown:
		return brokerShuttingDown
	}
	return brokerUnfenced
}

func (s *step) nextState(b *Broker, now brokerState, req *kmsg.BrokerHeartbeatRequest) brokerState {
	switch now {
	case brokerFenced:
		switch {
		case req.WantShutdown:
			return brokerShutdownNow
		case !req.WantFence && req.CurrentMetadataOffset >= b.Epoch: // it knows of its own registration
			return brokerUnfenced
		}
		return brokerFenced
	case brokerUnfenced:
		switch {
		case req.WantFence && req.WantShutdown, req.WantShutdown && !s.leadsAny(b.ID):
			return brokerShutdownNow
		case req.WantFence:
			return brokerFenced
		case req.WantShutdown:
			return brokerShuttingDown
		}
		return brokerUnfenced
	}
	if s.leadsAny(b.ID) || s.contacts[b.ID].shutdownOffset > s.lowestActiveOffset() {
		return brokerShuttingDown
	}
	return brokerShutdownNow
}

func (s *step) leadsAny(broker int32) bool {
	for t := range s.img.Topics() {
		if slices.ContainsFunc(t.Partitions, func(p Partition) bool { return p.Leader == broker }) {
			return true
		}
	}
	return false
}

// lowestActiveOffset is what all brokers that stay have read of the metadata log.
func (s *step) lowestActiveOffset() int64 {
	lowest := int64(math.MaxInt64)
	for _, b := range s.img.brokers.all() {
		if c, ok := s.contacts[b.ID]; ok && s.isActive(b.ID) {
			lowest = min(lowest, c.metadataOffset)
		}
	}
	return lowest
}

// directoriesOffline takes the broker out of the ISRs of what lies in directories that it has lost.
func (s *step) directoriesOffline(b *Broker, offline [][16]byte) {
	lost := slices.DeleteFunc(slices.Clone(offline), func(d [16]byte) bool { return !slices.Contains(b.LogDirs, d) })
	if len(lost) == 0 {
		return
	}
	s.eachPartition(func(t *Topic, id int32, p *Partition) {
		if slices.Contains(lost, p.directory(b.ID)) && slices.Contains(p.ISR, b.ID) {
			c := s.change(t, id, func(r int32) bool { return r != b.ID && s.isActive(r) })
			c.isr = without(p.ISR, b.ID)
			s.addChange(c)
		}
	})
	online := slices.DeleteFunc(slices.Clone(b.LogDirs), func(d [16]byte) bool { return slices.Contains(lost, d) })
	s.add(records.Versioned{Version: 2, Record: &records.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, LogDirs: online}})
}

// directoriesCordoned notes the directories that are to get no new replicas (KIP-1066).
func (s *step) directoriesCordoned(b *Broker, cordoned [][16]byte) {
	if cordoned == nil || s.img.Feature(featureMetadataVersion) < levelCordonedLogDirs || b.CordonedLogDirs != nil && slices.Equal(cordoned, b.CordonedLogDirs) {
		return
	}
	s.add(records.Versioned{Version: 3, Record: &records.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, CordonedLogDirs: cordoned}})
}
