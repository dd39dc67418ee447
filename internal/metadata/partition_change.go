package metadata

import (
	"slices"

	"github.com/gokafka/gokafka/internal/metadata/records"
)

// noLeaderChange is the Leader of a PartitionChangeRecord that leaves the leader alone.
const noLeaderChange int32 = -2

type election int8

const (
	electOnline    election = iota // keep the leader if possible, else one of the ISR
	electPreferred                 // the first replica if it is in the ISR
	electUnclean                   // any live replica rather than none
)

// partitionChange works out the record that takes a partition from what it is to what is wanted: the wish goes into the fields, then build is
// called once. The rules are those of PartitionChangeBuilder in Kafka: complete a reassignment whose replicas are all in sync, keep the ELR
// (KIP-966), elect a leader.
type partitionChange struct {
	topicID [16]byte
	id      int32
	cur     Partition

	acceptable func(replica int32) bool // may this replica lead?
	defaultDir func(replica int32) [16]byte
	minISR     int
	elr        bool // keep eligible leader replicas
	format     int16
	bumpShrink bool // an ISR that shrinks bumps the leader epoch, as before 3.6

	election        election
	isr             []int32
	replicas        []int32
	removing        []int32
	adding          []int32
	uncleanShutdown int32 // a broker that lost its last writes, NoLeader for none
	recovering      bool
	setDirectory    map[int32][16]byte

	targetELR []int32
}

// change returns a partitionChange that as yet changes nothing but what the state of the brokers demands.
func (s *step) change(t *Topic, id int32, acceptable func(int32) bool) *partitionChange {
	cur := t.Partitions[id]
	c := &partitionChange{
		topicID: t.ID, id: id, cur: cur,
		acceptable: func(r int32) bool { return acceptable(r) && s.hasOnlineDir(r, cur.directory(r)) },
		defaultDir: s.defaultDir,
		minISR:     s.effectiveMinISR(t), elr: s.img.elrEnabled(), format: s.img.formats().partitionChange,
		bumpShrink: s.img.Feature(featureMetadataVersion) < levelNoEpochBumpOnShrink,
		isr:        cur.ISR, replicas: cur.Replicas, removing: cur.Removing, adding: cur.Adding,
		uncleanShutdown: NoLeader, recovering: cur.Recovering,
	}
	if s.uncleanElection(t.Name) {
		c.election = electUnclean
	}
	return c
}

// directory returns the log directory of the replica.
func (p *Partition) directory(replica int32) [16]byte {
	if i := slices.Index(p.Replicas, replica); i >= 0 {
		return p.Directories[i]
	}
	return dirMigrating
}

// build returns the record, and false when nothing changes.
func (c *partitionChange) build() (records.Versioned, bool) {
	r := &records.PartitionChangeRecord{PartitionID: c.id, TopicID: c.topicID, Leader: noLeaderChange, LeaderRecoveryState: -1}
	c.completeReassignment()
	c.populateELR()
	c.elect(r)
	if r.Leader == noLeaderChange && !containsAll(c.replicas, c.cur.Replicas) {
		r.Leader = c.cur.Leader // a replica goes: its epoch must be over
	}
	if !c.elr || r.ISR != nil { // an unclean election has set the ISR, so nobody else is eligible
		c.targetELR = nil
	}
	setIfDifferent(&r.EligibleLeaderReplicas, c.targetELR, c.cur.ELR)
	if r.ISR == nil && (len(c.isr) > 0 || c.elr) {
		setIfDifferent(&r.ISR, c.isr, c.cur.ISR)
	}
	if c.bumpShrink && r.Leader == noLeaderChange && r.ISR != nil && !containsAll(r.ISR, c.cur.ISR) {
		r.Leader = c.cur.Leader
	}
	c.lastKnownLeader(r)
	c.assignment(r)
	if r.LeaderRecoveryState == -1 && c.recovering != c.cur.Recovering {
		r.LeaderRecoveryState = 0
		if c.recovering {
			r.LeaderRecoveryState = 1
		}
	}
	v := records.Versioned{Record: r, Version: c.format}
	return v, r.ISR != nil || r.Leader != noLeaderChange || r.Replicas != nil || r.RemovingReplicas != nil || r.AddingReplicas != nil ||
		r.LeaderRecoveryState != -1 || r.Directories != nil || r.EligibleLeaderReplicas != nil || r.LastKnownELR != nil
}

// completeReassignment drops the replicas that are to go once all that are to stay are in sync.
func (c *partitionChange) completeReassignment() {
	if len(c.removing) == 0 && len(c.adding) == 0 {
		return
	}
	isr, replicas := without(c.isr, c.removing...), without(c.replicas, c.removing...)
	if len(isr) == 0 || len(replicas) == 0 || !containsAll(isr, replicas) {
		return
	}
	c.isr, c.replicas, c.removing, c.adding = isr, replicas, nil, nil
}

// populateELR keeps those that leave an ISR smaller than min.insync.replicas: they have all that was acknowledged.
func (c *partitionChange) populateELR() {
	if !c.elr || len(c.isr) >= c.minISR {
		return
	}
	candidates := slices.Clone(c.cur.ELR)
	for _, r := range c.cur.ISR {
		if !slices.Contains(candidates, r) {
			candidates = append(candidates, r)
		}
	}
	slices.Sort(candidates)
	c.targetELR = without(without(candidates, c.isr...), c.uncleanShutdown)
}

func (c *partitionChange) elect(r *records.PartitionChangeRecord) {
	leader, unclean := c.electLeader()
	if leader == c.cur.Leader {
		return
	}
	if slices.Contains(c.targetELR, leader) {
		c.isr = []int32{leader}
		c.targetELR = without(c.targetELR, leader)
	}
	r.Leader = leader
	if unclean {
		r.ISR = []int32{leader}
		if !c.cur.Recovering {
			r.LeaderRecoveryState = 1
		}
	}
}

func (c *partitionChange) electLeader() (leader int32, unclean bool) {
	candidates := append([]int32{c.cur.Leader}, c.replicas...)
	if c.election == electPreferred && len(c.replicas) > 0 {
		candidates = append([]int32{c.replicas[0]}, candidates...)
	}
	for _, r := range candidates {
		if r != NoLeader && c.mayLead(r) {
			return r, false
		}
	}
	// With ISR and ELR empty the last known leader is the best there is (KIP-966).
	if c.elr && len(c.targetELR) == 0 && len(c.isr) == 0 && len(c.cur.LastKnownELR) == 1 && c.acceptable(c.cur.LastKnownELR[0]) {
		return c.cur.LastKnownELR[0], true
	}
	if c.election == electUnclean {
		if i := slices.IndexFunc(c.replicas, c.acceptable); i >= 0 {
			return c.replicas[i], true
		}
	}
	return NoLeader, false
}

func (c *partitionChange) mayLead(r int32) bool {
	return (slices.Contains(c.isr, r) || len(c.isr) == 0 && slices.Contains(c.targetELR, r)) && c.acceptable(r)
}

// lastKnownLeader remembers who led when nobody is left to, and forgets it when somebody does.
func (c *partitionChange) lastKnownLeader(r *records.PartitionChangeRecord) {
	if !c.elr {
		return
	}
	last := c.cur.LastKnownELR
	switch {
	case r.ISR != nil && len(r.ISR) == 0 && !slices.Equal(last, []int32{c.cur.Leader}):
		if c.cur.Leader != NoLeader {
			r.LastKnownELR = []int32{c.cur.Leader}
		}
	case len(last) > 0 && (r.Leader >= 0 || c.cur.Leader != NoLeader && r.Leader != NoLeader):
		r.LastKnownELR = []int32{}
	}
}

func (c *partitionChange) assignment(r *records.PartitionChangeRecord) {
	if len(c.replicas) > 0 {
		if c.format >= 1 {
			directories := make([][16]byte, len(c.replicas))
			for i, replica := range c.replicas {
				switch d, ok := c.setDirectory[replica]; {
				case ok:
					directories[i] = d
				case slices.Contains(c.cur.Replicas, replica):
					directories[i] = c.cur.directory(replica)
				default:
					directories[i] = c.defaultDir(replica)
				}
			}
			if !slices.Equal(directories, c.cur.Directories) {
				r.Directories = directories
			}
		}
		setIfDifferent(&r.Replicas, c.replicas, c.cur.Replicas)
	}
	setIfDifferent(&r.RemovingReplicas, c.removing, c.cur.Removing)
	setIfDifferent(&r.AddingReplicas, c.adding, c.cur.Adding)
}

// setIfDifferent sets a nullable field of a record, which null leaves unchanged.
func setIfDifferent(field *[]int32, want, have []int32) {
	if !slices.Equal(want, have) {
		*field = append([]int32{}, want...)
	}
}

func containsAll(list, all []int32) bool {
	return !slices.ContainsFunc(all, func(x int32) bool { return !slices.Contains(list, x) })
}

// without returns a new list of what is in list and not in gone.
func without(list []int32, gone ...int32) []int32 {
	kept := make([]int32, 0, len(list))
	for _, x := range list {
		if !slices.Contains(gone, x) {
			kept = append(kept, x)
		}
	}
	return kept
}
