package tools

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSpreadPartitions: what --generate makes up is even, and over racks.
func TestSpreadPartitions(t *testing.T) {
	current := map[topicPartition][]int32{}
	for p := range int32(12) {
		current[topicPartition{"t", p}] = []int32{1, 2}
	}
	for _, racks := range [][]string{{"", "", "", ""}, {"a", "a", "b", "b"}} {
		var brokers []rackedBroker
		for i, r := range racks {
			brokers = append(brokers, rackedBroker{int32(i + 1), r})
		}
		proposed, err := spreadPartitions(current, brokers)
		if err != nil {
			t.Fatal(err)
		}
		leaders, replicas := map[int32]int{}, map[int32]int{}
		for tp, ids := range proposed {
			if len(ids) != 2 || ids[0] == ids[1] {
				t.Errorf("%s has replicas %v", tp, ids)
			}
			if r := racks[ids[0]-1]; r != "" && r == racks[ids[1]-1] {
				t.Errorf("%s has both replicas on rack %s", tp, r)
			}
			leaders[ids[0]]++
			for _, id := range ids {
				replicas[id]++
			}
		}
		for id := range int32(4) {
			if leaders[id+1] != 3 {
				t.Errorf("racks %q: broker %d leads %d partitions", racks, id+1, leaders[id+1])
			}
		}
		if racks[0] == "" && fmt.Sprint(replicas) != "map[1:6 2:6 3:6 4:6]" {
			t.Errorf("replicas per broker: %v", replicas)
		}
	}
	if _, err := spreadPartitions(current, []rackedBroker{{1, ""}}); exceptionOf(err).class != kafkaErrors+"InvalidReplicationFactorException" {
		t.Errorf("two replicas on one broker: %v", err)
	}
	if _, err := spreadPartitions(current, []rackedBroker{{1, ""}, {2, "a"}}); err == nil {
		t.Error("brokers with and without racks are mixed")
	}
}

func TestMovesOf(t *testing.T) {
	running := map[topicPartition]reassignment{{"t", 1}: {replicas: []int32{1, 2, 3}, adding: []int32{3}, removing: []int32{1}}}
	current := map[topicPartition][]int32{{"t", 0}: {1, 2}, {"t", 1}: {1, 2, 3}}
	got := movesOf(map[topicPartition][]int32{{"t", 0}: {2, 3}, {"t", 1}: {4}}, running, current)
	want := map[topicPartition]move{
		{"t", 0}: {[]int32{1, 2}, []int32{3}},
		{"t", 1}: {[]int32{1, 2}, []int32{4}}, // from where it was before the move that is under way
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(topicPartition{}, move{})); d != "" {
		t.Error(d)
	}
}

func TestParseReassignment(t *testing.T) {
	p, err := parseReassignment([]byte(`{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1,2],"log_dirs":["any","/d"]}]}`))
	if err != nil || p.check() != nil {
		t.Fatal(err, p.check())
	}
	if len(p.dirs) != 1 || p.dirs[topicReplica{topicPartition{"t", 0}, 2}] != "/d" || !slices.Equal(p.topics(), []string{"t"}) {
		t.Errorf("the plan is %+v", p)
	}
	for text, want := range map[string]string{
		`{"version":2,"partitions":[]}`:                                                                          "Not supported version field value 2",
		`{"partitions":[]}`:                                                                                      "Partition reassignment list cannot be empty",
		`{"partitions":[{"topic":"t","partition":0,"replicas":[]}]}`:                                             "Partition replica list cannot be empty",
		`{"partitions":[{"topic":"t","partition":0,"replicas":[1,1]}]}`:                                          "Partition replica lists may not contain duplicate entries: t-0 contains multiple entries for 1",
		`{"partitions":[{"topic":"t","partition":0,"replicas":[1,2],"log_dirs":["/d"]}]}`:                        "Size of replicas list [1, 2] is different from size of log dirs list [/d] for partition t-0",
		`{"partitions":[{"topic":"t","partition":0,"replicas":[1]},{"topic":"t","partition":0,"replicas":[1]}]}`: "Partition reassignment contains duplicate topic partitions: t-0",
	} {
		p, err := parseReassignment([]byte(text))
		if err == nil {
			err = p.check()
		}
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
