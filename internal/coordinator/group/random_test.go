package group

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRandomEvents runs random commands of the scripts. After each one the invariants of checkClassic hold and the log, replayed, gives the
// live durable state; commits that were acknowledged are there; members get assignments of their generation only. In the end, when no client
// moves any more, all groups become empty, no request is left without an answer, and expiry leaves nothing.
func TestRandomEvents(t *testing.T) {
	seeds := 40
	if testing.Short() {
		seeds = 5
	}
	assignments := 0
	first := time.Now().UnixNano() % 1_000_000_000
	for i := range seeds {
		seed := first + int64(i)
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { assignments += runRandom(t, seed, 300) })
		})
	}
	t.Logf("%d assignments", assignments)
	if assignments < seeds {
		t.Errorf("only %d assignments in %d runs: the random clients do not get anywhere", assignments, seeds)
	}
}

type randomRun struct {
	*script
	rng     *rand.Rand
	acked   map[string]int64  // by group and partition
	next    int64             // offsets are committed in growing order
	phase   map[string]string // what a client should do next, by its last answer
	stable  int               // assignments received
	history []string
}

func runRandom(t *testing.T, seed int64, steps int) int {
	r := &randomRun{
		script: &script{harness: newHarness(t, 1), clients: make(map[string]*scriptClient)},
		rng:    rand.New(rand.NewSource(seed)),
		acked:  make(map[string]int64),
		phase:  make(map[string]string),
	}
	r.change(func(l *limits) { l.initialRebalanceDelay = time.Second })
	defer func() {
		if t.Failed() || r.history == nil {
			t.Logf("seed %d, history:\n%s", seed, strings.Join(r.history, "\n"))
		}
	}()
	for range steps {
		r.do(r.line())
		if t.Failed() {
			return 0
		}
	}
	r.do("working")
	r.do("advance 20m")
	r.inspect(func(_ int32, s *shard) {
		for id, g := range s.groups {
			if !g.isIdle() {
				t.Errorf("group %s is still in use:\n%s", id, dumpGroup(g.(*classic)))
			}
		}
	})
	if r.open != 0 {
		t.Errorf("%d requests without an answer", r.open)
	}
	r.acked = make(map[string]int64)
	r.do("advance 72h")
	if answers := r.do("list"); answers[0] != "list: ok" {
		t.Errorf("not expired: %v", answers)
	}
	return r.stable
}

func (r *randomRun) pick(from ...string) string { return from[r.rng.Intn(len(from))] }

// do runs a command and checks all that must hold after it.
func (r *randomRun) do(line string) []string {
	r.history = append(r.history, "> "+line)
	r.run(line)
	answers := r.settle()
	r.history = append(r.history, answers...)
	fields := strings.Fields(line)
	switch fields[0] {
	case "commit":
		r.noteAcked(fields, answers)
	case "odelete", "delete", "drop":
		clear(r.acked)
	}
	r.follow(answers)
	r.checkAssignments(answers)
	r.check()
	r.inspect(func(_ int32, s *shard) {
		for at, want := range r.acked {
			group, partition, _ := strings.Cut(at, " ")
			got, _ := s.offsets.get(group, "t1", int32(partition[0]-'0'))
			if got.offset < want {
				r.t.Errorf("acknowledged commit of %d to %s is lost: %d", want, at, got.offset)
			}
		}
	})
	return answers
}

// noteAcked remembers an acknowledged commit, of a line such as: commit c1 t1:0=17.
func (r *randomRun) noteAcked(fields, answers []string) {
	for _, a := range answers {
		if !strings.HasPrefix(a, fields[1]+" commit: ") || !strings.HasSuffix(a, " ok") {
			continue
		}
		group := "g"
		if c := r.clients[fields[1]]; c != nil {
			group = c.group
		}
		var partition, offset int64
		if _, err := fmt.Sscanf(fields[2], "t1:%d=%d", &partition, &offset); err != nil {
			panic(err)
		}
		r.acked[fmt.Sprintf("%s %d", group, partition)] = offset
	}
}

// checkAssignments: an assignment begins with the generation that the leader made it in.
func (r *randomRun) checkAssignments(answers []string) {
	for _, a := range answers {
		name, assignment, ok := strings.Cut(a, " sync: ok assignment=")
		if !ok || assignment == "" {
			continue
		}
		r.stable++
		if generation, _, _ := strings.Cut(assignment, "/"); generation != fmt.Sprint(r.clients[name].generation) {
			r.t.Errorf("client %s of generation %d: %s", name, r.clients[name].generation, a)
		}
	}
}

// follow notes what a well-behaved client does after an answer.
func (r *randomRun) follow(answers []string) {
	for _, a := range answers {
		who, answer, _ := strings.Cut(a, ": ")
		name, api, _ := strings.Cut(who, " ")
		switch {
		case strings.Contains(answer, "UNKNOWN_MEMBER_ID"), strings.Contains(answer, "FENCED"), strings.Contains(answer, "ILLEGAL"):
			r.phase[name] = "join anew"
		case api == "join" && strings.HasPrefix(answer, "ok"):
			r.phase[name] = "sync"
		case api == "join", strings.Contains(answer, "REBALANCE_IN_PROGRESS"):
			r.phase[name] = "join"
		case api == "sync" && strings.HasPrefix(answer, "ok"):
			r.phase[name] = "stable"
		}
	}
}

// line makes up a command: most often what the client should do, else anything.
func (r *randomRun) line() string {
	name := fmt.Sprintf("c%d", r.rng.Intn(8))
	if c := r.clients[name]; c != nil && r.rng.Intn(100) < 65 {
		phase := r.phase[name]
		r.phase[name] = "wait"
		switch phase {
		case "join":
			return fmt.Sprintf("join %s session=20s rebalance=20s protocols=range(t1)", name)
		case "join anew":
			return fmt.Sprintf("join %s id=none session=20s rebalance=20s protocols=range(t1)", name)
		case "sync":
			return fmt.Sprintf("sync %s assign=%s", name, r.assignment(c))
		case "stable":
			r.phase[name] = "stable"
			return "hb " + name
		}
		return fmt.Sprintf("advance %dms", r.rng.Intn(3000))
	}
	return r.anyLine()
}

func (r *randomRun) anyLine() string {
	n := r.rng.Intn(8)
	name := fmt.Sprintf("c%d", n)
	c := r.clients[name]
	switch p := r.rng.Intn(100); {
	case p < 20:
		line := "join " + name
		if c == nil {
			line += " group=" + r.pick("g", "h")
			if n < 3 {
				line += " instance=" + r.pick("i", "j")
			}
		}
		if r.rng.Intn(6) == 0 {
			line += " id=none"
		}
		return line + fmt.Sprintf(" v=%d session=%ds rebalance=%ds protocols=%s", r.rng.Intn(10), 5+r.rng.Intn(20), 5+r.rng.Intn(30),
			r.pick("range(t1)", "range(t1),rr(t1)", "rr(t1),range(t1)", "range(t2)", "range(t1),opaque"))
	case p < 30 && c != nil:
		return fmt.Sprintf("sync %s v=%d assign=%s", name, r.rng.Intn(6), r.assignment(c))
	case p < 40 && c != nil:
		return "hb " + name
	case p < 43 && c != nil:
		return fmt.Sprintf("leave %s v=%d", name, r.rng.Intn(6))
	case p < 60 && c != nil:
		r.next++
		return fmt.Sprintf("commit %s t1:%d=%d v=%d", name, r.rng.Intn(4), r.next, 3+r.rng.Intn(7))
	case p < 64:
		r.next++
		return fmt.Sprintf("commit simple t1:%d=%d", r.rng.Intn(4), r.next)
	case p < 85:
		return fmt.Sprintf("advance %dms", r.rng.Intn(r.rng.Intn(15_000)+1))
	case p < 87:
		return "restart"
	case p < 89:
		return "failing " + r.pick("KAFKA_STORAGE_ERROR", "NOT_ENOUGH_REPLICAS")
	case p < 97:
		return "working"
	case p < 98:
		return fmt.Sprintf("config size=%d", 3+r.rng.Intn(8))
	}
	return r.pick("delete g h", "odelete t1:0,1", "odelete group=h t1:2", "list", "describe g h")
}

// assignment is what a leader would send: to each member of the group, now and then not to one of them.
func (r *randomRun) assignment(c *scriptClient) string {
	var parts []string
	r.inspect(func(_ int32, s *shard) {
		g, _ := s.groups[c.group].(*classic)
		if g == nil {
			return
		}
		for _, m := range g.members {
			parts = append(parts, fmt.Sprintf("%s:%d/%s", m.id, c.generation, m.id))
		}
	})
	if len(parts) > 0 && r.rng.Intn(5) == 0 {
		parts = slices.Delete(parts, 0, 1)
	}
	return strings.Join(parts, ",")
}
