package metadata

import (
	"encoding/binary"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// place chooses the replicas of count partitions from first on: striped over racks and brokers from a random start, the first replica on a broker
// that is not fenced. The errors are those of Kafka's StripedReplicaPlacer.
func (s *step) place(first, count, factor int) ([][]int32, error) {
	racks, total, unfenced := s.racks()
	switch {
	case factor <= 0:
		return nil, refuse(kerr.InvalidReplicationFactor, "Invalid replication factor %d: the replication factor must be positive.", factor)
	case unfenced == 0:
		return nil, refuse(kerr.InvalidReplicationFactor, "All brokers are currently fenced.")
	case factor > total:
		return nil, refuse(kerr.InvalidReplicationFactor, "The target replication factor of %d cannot be reached because only %d broker(s) are "+
			"registered or some brokers have all their log directories cordoned.", factor, total)
	}
	start := s.random(total) + first
	assignments := make([][]int32, count)
	for i := range assignments {
		assignments[i] = stripe(racks, start+i, factor)
	}
	return assignments, nil
}

// rack is the brokers of one rack.
type rack struct {
	unfenced, fenced []int32
}

// racks groups the brokers that can take new replicas.
func (s *step) racks() (racks []rack, total, unfenced int) {
	byName := map[string]*rack{}
	for _, b := range s.img.Brokers() {
		if b.InControlledShutdown || cordoned(&b) {
			continue
		}
		name := ""
		if b.Rack != nil {
			name = "=" + *b.Rack
		}
		r := byName[name]
		if r == nil {
			r = &rack{}
			byName[name] = r
		}
		total++
		if b.Fenced {
			r.fenced = append(r.fenced, b.ID)
		} else {
			r.unfenced = append(r.unfenced, b.ID)
			unfenced++
		}
	}
	for _, name := range sortedKeys(byName) {
		racks = append(racks, *byName[name])
	}
	return racks, total, unfenced
}

func cordoned(b *Broker) bool {
	return len(b.LogDirs) > 0 && !slices.ContainsFunc(b.LogDirs, func(d [16]byte) bool { return !slices.Contains(b.CordonedLogDirs, d) })
}

// stripe returns the replicas of the n-th partition: the racks take turns from rack n on, and the brokers within a rack as the racks come round.
// There are at least factor brokers, at least one of them unfenced.
func stripe(racks []rack, n, factor int) []int32 {
	queues := make([][]int32, len(racks))
	leader := -1
	for i := range racks {
		at := (n + i) % len(racks)
		turn := n / len(racks)
		queues[i] = append(rotated(racks[at].unfenced, turn), rotated(racks[at].fenced, turn)...)
		if leader < 0 && len(racks[at].unfenced) > 0 {
			leader = i
		}
	}
	replicas := append(make([]int32, 0, factor), queues[leader][0])
	queues[leader] = queues[leader][1:]
	for i := leader + 1; len(replicas) < factor; i++ {
		if q := &queues[i%len(queues)]; len(*q) > 0 {
			replicas = append(replicas, (*q)[0])
			*q = (*q)[1:]
		}
	}
	return replicas
}

func rotated(list []int32, by int) []int32 {
	if len(list) == 0 {
		return nil
	}
	by %= len(list)
	return append(slices.Clone(list[by:]), list[:by]...)
}

// random returns a number in [0, n). Without randomness it is 0: a placement is then only less even.
func (s *step) random(n int) int {
	var b [4]byte
	if _, err := s.rand.Read(b[:]); err != nil || n <= 1 {
		return 0
	}
	return int(binary.BigEndian.Uint32(b[:]) % uint32(n))
}
