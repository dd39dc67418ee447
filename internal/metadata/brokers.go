package metadata

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/metadata/records"
)

// contact is what the controller remembers of a broker's last sign of life. It is soft: a new controller starts with none.
type contact struct {
	atMs           int64
	epoch          int64
	metadataOffset int64 // what the broker had read then
	shutdownOffset int64 // what all others must have read before this broker may go; -1 when it does not want to
}

func (s *step) checkBrokerEpoch(id int32, epoch int64) error {
	switch b := s.img.Broker(id); {
	case b == nil:
		return refuse(kerr.StaleBrokerEpoch, "No broker registration found for broker id %d", id)
	case b.Epoch != epoch:
		return refuse(kerr.StaleBrokerEpoch, "Expected broker epoch %d, but got broker epoch %d", b.Epoch, epoch)
	}
	return nil
}

// registerBroker answers BrokerRegistration. A new incarnation is fenced until it asks not to be, and what its predecessor led or might have lost
// is settled first (KIP-966).
func (s *step) registerBroker(req *kmsg.BrokerRegistrationRequest) (kmsg.Response, error) {
	resp := respond[*kmsg.BrokerRegistrationResponse](req)
	epoch, err := s.tryRegister(req)
	resp.BrokerEpoch = epoch
	resp.ErrorCode, _ = codeOf(err)
	if err != nil {
		s.records = nil
		s.log.Warn("broker registration refused", brokerField(req.BrokerID), errField(err))
	}
	return resp, nil
}

func (s *step) tryRegister(req *kmsg.BrokerRegistrationRequest) (epoch int64, err error) {
	existing := s.img.Broker(req.BrokerID)
	known := existing != nil && existing.IncarnationID == req.IncarnationID
	if err := s.checkRegistration(req, existing, known); err != nil {
		return -1, err
	}
	r := &records.RegisterBrokerRecord{
		BrokerID: req.BrokerID, IncarnationID: req.IncarnationID, Rack: req.Rack, LogDirs: req.LogDirs,
		BrokerEpoch: s.base, Fenced: true,
	}
	for _, l := range req.Listeners {
		r.EndPoints = append(r.EndPoints, records.Endpoint{Name: l.Name, Host: l.Host, Port: l.Port, SecurityProtocol: l.SecurityProtocol})
	}
	if r.Features, err = s.registrationFeatures(req); err != nil {
		return -1, err
	}
	if known {
		r.Fenced, r.InControlledShutdown, r.BrokerEpoch = existing.Fenced, existing.InControlledShutdown, existing.Epoch
		r.CordonedLogDirs = existing.CordonedLogDirs
	} else if existing != nil {
		s.settlePredecessor(req, existing)
	}
	s.add(records.Versioned{Record: r, Version: s.img.formats().registerBroker})
	s.contacts[req.BrokerID] = contact{atMs: s.nowMs, epoch: r.BrokerEpoch, metadataOffset: -1, shutdownOffset: -1}
	return r.BrokerEpoch, nil
}

func (s *step) checkRegistration(req *kmsg.BrokerRegistrationRequest, existing *Broker, known bool) error {
	if req.ClusterID != s.img.clusterID {
		return refuse(kerr.InconsistentClusterID, "Expected cluster ID %s, but got cluster ID %s", s.img.clusterID, req.ClusterID)
	}
	if existing != nil && !known && s.hasSession(existing) {
		return refuse(kerr.DuplicateBrokerRegistration, "Another broker is registered with that broker id.")
	}
	if req.IsMigratingZkBroker {
		return refuse(kerr.BrokerIDNotRegistered, "Controller does not support registering ZK brokers.")
	}
	if s.img.Feature(featureMetadataVersion) < levelDirectoryAssignment {
		return nil
	}
	if len(req.LogDirs) == 0 {
		return refuse(kerr.InvalidRegistration, "No directories specified in request")
	}
	for i, d := range req.LogDirs {
		if reservedDir(d) {
			return refuse(kerr.InvalidRegistration, "Reserved directory ID in request")
		}
		if slices.Contains(req.LogDirs[:i], d) {
			return refuse(kerr.InvalidRegistration, "Duplicate directory ID in request")
		}
		for _, b := range s.img.brokers.all() {
			if b.ID != req.BrokerID && slices.Contains(b.LogDirs, d) {
				return refuse(kerr.InvalidRegistration, "Broker %d is already registered with directory %s", b.ID, uuidString(d))
			}
		}
	}
	return nil
}

// hasSession says whether the broker has been heard of within broker.session.timeout.ms by this controller.
func (s *step) hasSession(b *Broker) bool {
	c, ok := s.contacts[b.ID]
	return ok && c.epoch == b.Epoch && s.nowMs-c.atMs < s.config().Int64("broker.session.timeout.ms")
}

// registrationFeatures checks that the broker supports what is finalized, and returns its features for the record.
func (s *step) registrationFeatures(req *kmsg.BrokerRegistrationRequest) ([]records.Feature, error) {
	check := func(name string, least, most int16) error {
		level := s.img.Feature(name)
		if level < least || level > most {
			return refuse(kerr.UnsupportedVersion, "Unable to register because the broker does not support finalized version %d of %s. The broker "+
				"wants a version between %d and %d, inclusive.", level, name, least, most)
		}
		return nil
	}
	var features []records.Feature
	named := map[string]bool{}
	for _, f := range req.Features {
		named[f.Name] = true
		// kraft.version is not among the finalized features of the image: the control records have it.
		if f.Name != featureKRaftVersion {
			if err := check(f.Name, f.MinSupportedVersion, f.MaxSupportedVersion); err != nil {
				return nil, err
			}
		}
		features = append(features, records.Feature{Name: f.Name, MinSupportedVersion: f.MinSupportedVersion, MaxSupportedVersion: f.MaxSupportedVersion})
	}
	for name := range s.img.features.all() {
		if !named[name] {
			if err := check(name, 0, 0); err != nil {
				return nil, err
			}
		}
	}
	return features, nil
}

// settlePredecessor takes an earlier incarnation of the broker out of what it is in. When it did not end cleanly it may have lost the last
// writes, and is no longer eligible to lead.
func (s *step) settlePredecessor(req *kmsg.BrokerRegistrationRequest, existing *Broker) {
	if s.img.Feature(featureMetadataVersion) < levelELR {
		return
	}
	clean := !s.img.elrEnabled() || req.Version >= 3 && req.PreviousBrokerEpoch == existing.Epoch
	if clean {
		s.leaveISR(req.BrokerID)
		return
	}
	s.eachPartition(func(t *Topic, id int32, p *Partition) {
		if slices.Contains(p.ISR, req.BrokerID) || slices.Contains(p.ELR, req.BrokerID) {
			c := s.change(t, id, func(r int32) bool { return r != req.BrokerID && s.isActive(r) })
			c.isr = without(p.ISR, req.BrokerID)
			c.uncleanShutdown = req.BrokerID
			s.addChange(c)
		}
	})
}

// eachPartition calls fn for every partition, in the order of topics' names and partitions' ids.
func (s *step) eachPartition(fn func(t *Topic, id int32, p *Partition)) {
	for t := range s.img.Topics() {
		for i := range t.Partitions {
			fn(t, int32(i), &t.Partitions[i])
		}
	}
}

func (s *step) addChange(c *partitionChange) bool {
	r, changed := c.build()
	if changed {
		s.add(r)
	}
	return changed
}

// leaveISR takes a broker out of every ISR and elects other leaders where there are any.
func (s *step) leaveISR(broker int32) {
	s.eachPartition(func(t *Topic, id int32, p *Partition) {
		if slices.Contains(p.ISR, broker) {
			c := s.change(t, id, func(r int32) bool { return r != broker && s.isActive(r) })
			c.isr = without(p.ISR, broker)
			s.addChange(c)
		}
	})
}

// fence takes the broker out of every ISR and marks it.
func (s *step) fence(b *Broker) {
	s.leaveISR(b.ID)
	s.add(records.V0(&records.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, Fenced: 1}))
}

// unfence makes the broker usable and elects it where nobody leads.
func (s *step) unfence(b *Broker) {
	s.add(records.V0(&records.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, Fenced: -1}))
	s.eachPartition(func(t *Topic, id int32, p *Partition) {
		if p.Leader == NoLeader {
			s.addChange(s.change(t, id, func(r int32) bool { return r == b.ID || s.isActive(r) }))
		}
	})
}

// enterShutdown makes the broker hand over what it leads.
func (s *step) enterShutdown(b *Broker) {
	if !b.InControlledShutdown {
		s.add(records.Versioned{Version: 1, Record: &records.BrokerRegistrationChangeRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch, InControlledShutdown: 1}})
	}
	s.leaveISR(b.ID)
}

// unregisterBroker answers UnregisterBroker.
func (s *step) unregisterBroker(req *kmsg.UnregisterBrokerRequest) (kmsg.Response, error) {
	resp := respond[*kmsg.UnregisterBrokerResponse](req)
	b := s.img.Broker(req.BrokerID)
	if b == nil {
		resp.ErrorCode, resp.ErrorMessage = codeOf(refuse(kerr.BrokerIDNotRegistered, "Broker ID %d is not currently registered", req.BrokerID))
		return resp, nil
	}
	s.eachPartition(func(t *Topic, id int32, p *Partition) {
		if slices.Contains(p.ISR, b.ID) || slices.Contains(p.ELR, b.ID) {
			c := s.change(t, id, func(r int32) bool { return r != b.ID && s.isActive(r) })
			c.isr = without(p.ISR, b.ID)
			s.addChange(c)
		}
	})
	s.add(records.V0(&records.UnregisterBrokerRecord{BrokerID: b.ID, BrokerEpoch: b.Epoch}))
	if err := s.tooMany(); err != nil {
		resp.ErrorCode, resp.ErrorMessage = codeOf(err)
		return resp, nil
	}
	delete(s.contacts, b.ID)
	return resp, nil
}

// allocateProducerIDs answers AllocateProducerIds with the next block of 1000.
func (s *step) allocateProducerIDs(req *kmsg.AllocateProducerIDsRequest) (kmsg.Response, error) {
	const blockSize = 1000
	resp := respond[*kmsg.AllocateProducerIDsResponse](req)
	err := s.checkBrokerEpoch(req.BrokerID, req.BrokerEpoch)
	first := s.img.NextProducerID()
	if err == nil && first+blockSize < first {
		err = refuse(kerr.UnknownServerError, "Exhausted all producerIds as the next block's end producerId has exceeded the int64 type limit")
	}
	if err != nil {
		resp.ErrorCode, _ = codeOf(err)
		return resp, nil
	}
	s.add(records.V0(&records.ProducerIDsRecord{BrokerID: req.BrokerID, BrokerEpoch: req.BrokerEpoch, NextProducerID: first + blockSize}))
	resp.ProducerIDStart, resp.ProducerIDLen = first, blockSize
	return resp, nil
}
