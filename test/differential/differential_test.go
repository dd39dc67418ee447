package differential

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"
)

// scenario is one conversation with a broker. It must not depend on which broker it talks to.
type scenario struct {
	name string
	run  func(*run)
}

// scenarios run in this order; the later ones lean on nothing that the earlier ones left behind.
var scenarios = []scenario{
	{"ApiVersions", apiVersions},
	{"Metadata", metadata},
	{"AutoCreation", autoCreation},
	{"CreateTopics", createTopics},
	{"DeleteTopics", deleteTopics},
	{"CreatePartitions", createPartitions},
	{"DescribeTopicPartitions", describeTopicPartitions},
	{"DescribeConfigs", describeConfigs},
	{"IncrementalAlterConfigs", incrementalAlterConfigs},
	{"AlterConfigs", alterConfigs},
	{"ListConfigResources", listConfigResources},
	{"Produce", produceScenario},
	{"Idempotence", idempotence},
	{"Producers", producers},
	{"Transactions", transactions},
	{"TxnOffsets", txnOffsets},
	{"DeleteRecords", deleteRecords},
	{"Fetch", fetchScenario},
	{"ListOffsets", listOffsets},
	{"FindCoordinator", findCoordinator},
	{"GroupErrors", groupErrors},
	{"GroupLife", groupLife},
	{"StaticMembers", staticMembers},
	{"ConsumerGroups", consumerGroups},
	{"Migration", migration},
	{"StreamsGroups", streamsGroups},
	{"ShareGroups", shareGroups},
	{"ShareFetches", shareFetches},
	{"ShareStates", shareStates},
	{"SessionExpires", sessionExpires},
	{"DescribeCluster", cluster},
	{"DescribeLogDirs", logDirs},
	{"Sasl", sasl},
	{"Acls", acls},
	{"ElectLeaders", electLeaders},
	{"Reassignments", reassignments},
	{"Quorum", quorum},
	{"Features", features},
	{"Garbage", garbage},
}

func TestMain(m *testing.M) {
	baseTimestampMs = time.Now().Add(-time.Hour).UnixMilli()
	m.Run()
}

// TestDifferential runs every scenario on both brokers and compares what they answered.
func TestDifferential(t *testing.T) {
	peerAddr, subjectAddr := env("GOKAFKA_PEER"), env("GOKAFKA_SUBJECT")
	if peerAddr == "" || subjectAddr == "" {
		t.Skip("set GOKAFKA_PEER and GOKAFKA_SUBJECT to two fresh brokers, or use test/differential/run.sh")
	}
	peer := mustSide(t, "kafka", peerAddr, env("GOKAFKA_PEER_DIR"))
	subject := mustSide(t, "gokafka", subjectAddr, env("GOKAFKA_SUBJECT_DIR"))
	both := common(peer, subject)

	used := make([]int, len(accepted))
	compared := 0
	ran := map[string]bool{}
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			ran[sc.name] = true
			answers := [2][]answer{}
			var wg sync.WaitGroup
			for i, s := range []*side{peer, subject} {
				wg.Go(func() { answers[i] = play(t, sc, s, both) })
			}
			wg.Wait()
			compared += len(answers[0])
			report(t, compare(sc.name, answers[0], answers[1], used))
		})
	}
	stale(t, used, ran)
	if only := olderThan(subject, peer); len(only) > 0 {
		t.Run("Alone", func(t *testing.T) { alone(t, subject, both, only) })
	}
	t.Logf("%d answers compared, %d kinds of difference accepted", compared, len(accepted))
}

// TestPrint prints what one broker answers to the scenarios chosen with -run 'TestPrint/name'.
func TestPrint(t *testing.T) {
	if env("GOKAFKA_PRINT") == "" {
		t.Skip("set GOKAFKA_PRINT=1 and GOKAFKA_PEER or GOKAFKA_SUBJECT")
	}
	addr, dir := env("GOKAFKA_PEER"), env("GOKAFKA_PEER_DIR")
	if addr == "" {
		addr, dir = env("GOKAFKA_SUBJECT"), env("GOKAFKA_SUBJECT_DIR")
	}
	s := mustSide(t, "broker", addr, dir)
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			r := newRun(t, s, s.ranges)
			r.show = func(a answer) {
				fmt.Printf("%s/%s v%d\n", sc.name, a.step, a.version)
				for _, l := range a.lines {
					fmt.Printf("    %s = %s\n", l.path, l.value)
				}
			}
			defer r.end()
			sc.run(r)
		})
	}
}

func mustSide(t *testing.T, name, addr, dir string) *side {
	s, err := newSide(name, addr, dir)
	if err != nil {
		t.Fatalf("%s at %s: %v", name, addr, err)
	}
	return s
}

// common is the range of versions that both brokers advertise, by API.
func common(a, b *side) map[int16][2]int16 {
	out := map[int16][2]int16{}
	for k, va := range a.ranges {
		vb, ok := b.ranges[k]
		if !ok {
			continue
		}
		if lo, hi := max(va[0], vb[0]), min(va[1], vb[1]); lo <= hi {
			out[k] = [2]int16{lo, hi}
		}
	}
	return out
}

func play(t *testing.T, sc scenario, s *side, both map[int16][2]int16) []answer {
	r := newRun(t, s, both)
	defer r.end()
	sc.run(r)
	return r.answers
}

// olderThan is the range of versions of each API that a serves below the oldest of b.
func olderThan(a, b *side) map[int16][2]int16 {
	out := map[int16][2]int16{}
	for k, va := range a.ranges {
		if vb, ok := b.ranges[k]; ok && va[0] < vb[0] {
			out[k] = [2]int16{va[0], vb[0] - 1}
		}
	}
	return out
}

// alone plays the scenarios on gokafka in the versions that only it serves: every request must be answered.
func alone(t *testing.T, s *side, both, only map[int16][2]int16) {
	asked := 0
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			r := newRun(t, s, both)
			r.alone = only
			defer r.end()
			sc.run(r)
			for _, a := range r.answers {
				if v, ok := only[a.key]; !ok || a.version > v[1] {
					continue
				}
				asked++
				if a.lines[0].path == "outcome" {
					t.Errorf("%s v%d: %s", a.step, a.version, a.lines[0].value)
				}
			}
		})
	}
	t.Logf("%d answers in versions that Kafka does not serve", asked)
}

// difference is one value that the brokers do not agree on, in one or more versions of a request.
type difference struct {
	where          string // scenario/step path
	kafka, gokafka string
	versions       []int16
}

func (d difference) String() string {
	v := ""
	if !slices.Equal(d.versions, []int16{-1}) {
		v = fmt.Sprintf(" v%v", d.versions)
	}
	return fmt.Sprintf("%s%s\n    kafka:   %s\n    gokafka: %s", d.where, v, d.kafka, d.gokafka)
}

// compare pairs the answers by step and version. It counts in used how often each accepted difference
// occurred and returns those that none of them covers.
func compare(name string, kafka, gokafka []answer, used []int) []difference {
	type key struct{ where, kafka, gokafka string }
	at := map[key]int{}
	var out []difference
	add := func(where string, version int16, k, g string) {
		if i := acceptedBy(where, k, g); i >= 0 {
			used[i]++
			return
		}
		id := key{where, k, g}
		if i, ok := at[id]; ok {
			out[i].versions = append(out[i].versions, version)
			return
		}
		at[id] = len(out)
		out = append(out, difference{where, k, g, []int16{version}})
	}
	if len(kafka) != len(gokafka) {
		add(name, -1, fmt.Sprintf("%d answers", len(kafka)), fmt.Sprintf("%d answers", len(gokafka)))
	}
	for i := range min(len(kafka), len(gokafka)) {
		k, g := kafka[i], gokafka[i]
		if k.step != g.step || k.version != g.version {
			add(name, -1, fmt.Sprintf("step %s v%d", k.step, k.version), fmt.Sprintf("step %s v%d", g.step, g.version))
			break
		}
		compareLines(k.lines, g.lines, func(path, kv, gv string) { add(name+"/"+k.step+" "+path, k.version, kv, gv) })
	}
	return out
}

func compareLines(kafka, gokafka []line, add func(path, k, g string)) {
	const absent = "(absent)"
	values := func(lines []line) (map[string]string, []string) {
		m, paths := map[string]string{}, []string{}
		for _, l := range lines {
			p := l.path
			for n := 2; ; n++ { // the same name twice in one list
				if _, dup := m[p]; !dup {
					break
				}
				p = fmt.Sprintf("%s#%d", l.path, n)
			}
			m[p] = l.value
			paths = append(paths, p)
		}
		return m, paths
	}
	km, kp := values(kafka)
	gm, gp := values(gokafka)
	for _, p := range kp {
		if g, ok := gm[p]; !ok {
			add(p, km[p], absent)
		} else if g != km[p] {
			add(p, km[p], g)
		}
	}
	for _, p := range gp {
		if _, ok := km[p]; !ok {
			add(p, absent, gm[p])
		}
	}
}

func acceptedBy(where, kafka, gokafka string) int {
	for i, a := range accepted {
		if a.where.MatchString(where) && (a.kafka == nil || a.kafka.MatchString(kafka)) && (a.gokafka == nil || a.gokafka.MatchString(gokafka)) {
			return i
		}
	}
	return -1
}

func report(t *testing.T, diffs []difference) {
	if len(diffs) == 0 {
		return
	}
	var b strings.Builder
	for _, d := range diffs {
		b.WriteString(d.String())
		b.WriteByte('\n')
	}
	t.Errorf("%d differences that are not accepted:\n%s", len(diffs), b.String())
}

// stale fails for accepted differences that did not occur although their scenario ran: either the brokers
// agree now, or the entry never matched.
func stale(t *testing.T, used []int, ran map[string]bool) {
	var names []string
	for i, a := range accepted {
		sc, _, _ := strings.Cut(strings.TrimPrefix(a.where.String(), "^"), "/")
		if used[i] == 0 && ran[sc] && !a.sometimes {
			names = append(names, a.where.String())
		}
	}
	sort.Strings(names)
	for _, n := range names {
		t.Errorf("accepted difference no longer occurs, remove it: %s", n)
	}
}

// difference that is right as it is.
type acceptedDifference struct {
	where          *regexp.Regexp // "^Scenario/step path$", the scenario spelled out
	kafka, gokafka *regexp.Regexp // nil: any value
	sometimes      bool           // depends on timing: need not occur
	why            string
}
