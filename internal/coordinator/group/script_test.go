package group

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/protocol"
)

// TestScripts runs testdata/*: each file is one coordinator; "do" runs the commands below it, one per line, and shows what each brought
// about. Clients are named by their first word; a client remembers the member id and generation it was given, as real ones do.
//
//	config delay=3s size=2 retention=1h check=10m migration=disabled
//	join CLIENT [group=g] [id=none] [instance=i] [v=9] [session=10s] [rebalance=60s] [type=consumer] [protocols=range(t1+t2),rr(t1)] [owned=t1/0+1]
//	sync CLIENT [gen=] [id=] [instance=] [v=5] [assign=member:text,…|member:@t1:0+1,…] [type=] [protocol=]
//	hb CLIENT [gen=] [id=] [instance=]
//	leave CLIENT [id=] [instance=] [v=5] [members=id,id,/instance]
//	commit CLIENT t1:0=5[/metadata] … [gen=] [id=] [v=9] [retention=1h] [at=ms]; "simple" stands for no member
//	fetch [t1:0,1 …] [v=9] [stable] [group=g]; without topics all
//	odelete t1:0,1 …
//	beat CLIENT [epoch=] [instance=] [topics=t1+t2] [keep] (ConsumerGroupHeartbeat; the client gives up what it is told to, unless keep), cdescribe
//	describe [group] [v=6], list [states=] [types=], delete GROUP…
//	advance 3s, dump [group], log (records since the last one), restart, failing CODE, working, topic NAME=PARTITIONS, drop TOPIC
//	txn-commit PRODUCER t1:0=5, txn-end PRODUCER commit|abort (straight into the log, which is then loaded)
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		synctest.Test(t, func(t *testing.T) {
			s := &script{harness: newHarness(t, 1), clients: make(map[string]*scriptClient)}
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				var out strings.Builder
				for line := range strings.Lines(d.Input) {
					line = strings.TrimSpace(line)
					fmt.Fprintf(&out, "> %s\n", line)
					out.WriteString(s.run(line))
					for _, answer := range s.settle() {
						fmt.Fprintln(&out, answer)
					}
					s.check()
				}
				return out.String()
			})
			s.c.Close()
			s.settle()
			if s.open != 0 {
				t.Errorf("%d requests without an answer after Close", s.open)
			}
		})
	})
}

type script struct {
	*harness
	clients map[string]*scriptClient
	logged  int
}

type scriptClient struct {
	name, group, id string
	generation      int32
	player          *player // set by the first beat
	instance        *string
	protocolType    string
	protocol        string
	knows           *scriptClient // where answers are kept
}

// words are a command's arguments: key=value ones and the others in order.
type words struct {
	named map[string]string
	rest  []string
}

func parse(fields []string) words {
	w := words{named: make(map[string]string)}
	for _, f := range fields {
		if k, v, ok := strings.Cut(f, "="); ok && !strings.Contains(k, ":") {
			w.named[k] = v
		} else {
			w.rest = append(w.rest, f)
		}
	}
	return w
}

func (w words) or(key, otherwise string) string {
	if v, ok := w.named[key]; ok {
		return v
	}
	return otherwise
}

func (w words) version(otherwise int16) int16 {
	v, err := strconv.ParseInt(w.or("v", fmt.Sprint(otherwise)), 10, 16)
	if err != nil {
		panic(err)
	}
	return int16(v)
}

func (w words) ms(key, otherwise string) int32 {
	d, err := time.ParseDuration(w.or(key, otherwise))
	if err != nil {
		panic(err)
	}
	return int32(d.Milliseconds())
}

// client returns the client as it acts in one command: id and gen are for this command only, group and instance stay.
func (s *script) client(name string, w words) *scriptClient {
	c := s.clients[name]
	if c == nil {
		c = &scriptClient{name: name, group: "g", generation: -1, protocolType: consumerProtocol, protocol: "range"}
		c.knows = c
		s.clients[name] = c
	}
	c.group = w.or("group", c.group)
	if i, ok := w.named["instance"]; ok {
		c.instance = &i
		if i == "none" {
			c.instance = nil
		}
	}
	acting := *c
	if id, ok := w.named["id"]; ok {
		acting.id = id
		if id == "none" {
			acting.id = ""
		}
	}
	if gen, ok := w.named["gen"]; ok {
		n, err := strconv.ParseInt(gen, 10, 32)
		if err != nil {
			panic(err)
		}
		acting.generation = int32(n)
	}
	return &acting
}

func (s *script) run(line string) string {
	fields := strings.Fields(line)
	w := parse(fields[1:])
	first := ""
	if len(w.rest) > 0 {
		first = w.rest[0]
	}
	switch fields[0] {
	case "config":
		s.config(w)
	case "join":
		s.join(s.client(first, w), w)
	case "sync":
		s.sync(s.client(first, w), w)
	case "beat":
		s.beat(s.client(first, w), w)
	case "cdescribe":
		s.consumerDescribe()
	case "hb":
		s.heartbeat(s.client(first, w), w)
	case "leave":
		s.leave(s.client(first, w), w)
	case "commit":
		s.commit(s.client(first, w), w)
	case "fetch":
		s.fetch(w)
	case "odelete":
		s.offsetDelete(w)
	case "describe", "list", "delete":
		s.admin(fields[0], w)
	case "advance":
		d, err := time.ParseDuration(first)
		if err != nil {
			panic(err)
		}
		time.Sleep(d)
	case "dump":
		var b strings.Builder
		s.inspect(func(_ int32, sh *shard) {
			for _, id := range sh.groupIDs() {
				switch g := sh.groups[id].(type) {
				case *classic:
					b.WriteString(dumpGroup(g))
				case *consumer:
					b.WriteString(dumpConsumer(g))
				}
			}
		})
		return b.String()
	case "log":
		return s.log()
	case "restart":
		s.restart()
	case "failing":
		s.journal.FailAppends(errorNamed(first))
	case "working":
		s.journal.FailAppends(nil)
	case "topic":
		name, n, _ := strings.Cut(strings.Fields(line)[1], "=")
		s.mu.Lock()
		s.topics[name], _ = strconv.Atoi(n)
		s.mu.Unlock()
		s.changes.Add(1)
	case "drop":
		s.mu.Lock()
		delete(s.topics, first)
		s.mu.Unlock()
		s.c.OnTopicsDeleted([]string{first})
	case "txn-commit":
		s.txnCommit(first, w.rest[1:])
		s.restart()
	case "txn-end":
		id, _ := strconv.ParseInt(first, 10, 64)
		s.journal.EndTransaction(0, id, 0, w.rest[1] == "commit")
		s.restart()
	default:
		panic("unknown command " + line)
	}
	return ""
}

func errorNamed(name string) error {
	for code := int16(1); code < 200; code++ {
		if e := kerr.TypedErrorForCode(code); e != nil && e.Message == name {
			return e
		}
	}
	panic("unknown error " + name)
}

func (s *script) config(w words) {
	s.change(func(l *limits) {
		for k, v := range w.named {
			d, err := time.ParseDuration(v)
			if k != "size" && k != "migration" && err != nil {
				panic(err)
			}
			switch k {
			case "delay":
				l.initialRebalanceDelay = d
			case "retention":
				l.retention = d
			case "check":
				l.retentionCheck = d
			case "migration":
				l.migration = migrationOf(v)
			case "size":
				l.maxSize, _ = strconv.Atoi(v)
			default:
				panic("unknown limit " + k)
			}
		}
	})
}

func (s *script) join(c *scriptClient, w words) {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version = w.version(9)
	req.Group, req.MemberID, req.InstanceID = c.group, c.id, c.instance
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = w.ms("session", "10s"), w.ms("rebalance", "60s")
	c.protocolType = w.or("type", c.protocolType)
	c.knows.protocolType, req.ProtocolType = c.protocolType, c.protocolType
	for _, p := range strings.Split(w.or("protocols", "range(t1)"), ",") {
		name, topics, ok := strings.Cut(strings.TrimSuffix(p, ")"), "(")
		metadata := subscription(strings.Split(topics, "+")...)
		if owned, ok := w.named["owned"]; ok {
			owns, err := parseOwned(owned)
			if err != nil {
				panic(err)
			}
			metadata = ownedSubscription(strings.Split(topics, "+"), owns)
		}
		if !ok || c.protocolType != consumerProtocol {
			metadata = []byte("metadata of " + p)
		}
		if name != "" {
			req.Protocols = append(req.Protocols, kmsg.JoinGroupRequestProtocol{Name: name, Metadata: metadata})
		}
	}
	s.ask(c.name+" join", func(ctx context.Context) string {
		r := s.c.JoinGroup(ctx, Client{ID: c.name, Host: "/127.0.0.1"}, req)
		encode(r)
		for _, p := range req.Protocols {
			dirty(p.Metadata)
		}
		if r.ErrorCode != 0 {
			if r.MemberID != "" && r.ErrorCode == kerr.MemberIDRequired.Code {
				s.mu.Lock()
				c.knows.id = r.MemberID
				s.mu.Unlock()
			}
			return fmt.Sprintf("%s member=%s", codeName(r.ErrorCode), r.MemberID)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		c.knows.id, c.knows.generation, c.knows.protocol = r.MemberID, r.Generation, deref(r.Protocol)
		answer := fmt.Sprintf("ok gen=%d protocol=%s leader=%s member=%s", r.Generation, deref(r.Protocol), r.LeaderID, r.MemberID)
		if r.SkipAssignment {
			answer += " skip-assignment"
		}
		for _, m := range r.Members {
			answer += " [" + m.MemberID
			if m.InstanceID != nil {
				answer += " " + *m.InstanceID
			}
			answer += "]"
		}
		return answer
	})
}

func (s *script) sync(c *scriptClient, w words) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Version = w.version(5)
	req.Group, req.Generation, req.MemberID, req.InstanceID = c.group, c.generation, c.id, c.instance
	req.ProtocolType, req.Protocol = kmsg.StringPtr(w.or("type", c.protocolType)), kmsg.StringPtr(w.or("protocol", c.protocol))
	for _, a := range strings.Split(w.or("assign", ""), ",") {
		if id, text, ok := strings.Cut(a, ":"); ok {
			assignment := []byte(text)
			if list, embedded := strings.CutPrefix(text, "@"); embedded {
				assignment = embeddedAssignment(list)
			}
			req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: id, MemberAssignment: assignment})
		}
	}
	s.ask(c.name+" sync", func(ctx context.Context) string {
		r := s.c.SyncGroup(ctx, Client{}, req)
		encode(r)
		for _, a := range req.GroupAssignment {
			dirty(a.MemberAssignment)
		}
		return fmt.Sprintf("%s assignment=%s", codeName(r.ErrorCode), showAssignment(r.MemberAssignment))
	})
}

func (s *script) heartbeat(c *scriptClient, w words) {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Version = w.version(4)
	req.Group, req.Generation, req.MemberID, req.InstanceID = c.group, c.generation, c.id, c.instance
	s.ask(c.name+" hb", func(ctx context.Context) string {
		r := s.c.Heartbeat(ctx, Client{}, req)
		encode(r)
		return codeName(r.ErrorCode)
	})
}

func (s *script) leave(c *scriptClient, w words) {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version = w.version(5)
	req.Group, req.MemberID = c.group, c.id
	members, ok := w.named["members"]
	if !ok {
		members = c.id
		if c.instance != nil {
			members += "/" + *c.instance
		}
	}
	for _, m := range strings.Split(members, ",") {
		id, instance, static := strings.Cut(m, "/")
		l := kmsg.LeaveGroupRequestMember{MemberID: id}
		if static {
			l.InstanceID = &instance
		}
		req.Members = append(req.Members, l)
	}
	s.ask(c.name+" leave", func(ctx context.Context) string {
		r := s.c.LeaveGroup(ctx, Client{}, req)
		encode(r)
		answer := codeName(r.ErrorCode)
		for _, m := range r.Members {
			answer += fmt.Sprintf(" [%s %s]", m.MemberID+"/"+deref(m.InstanceID), codeName(m.ErrorCode))
		}
		return answer
	})
}

// offsetArgs reads t1:0=5/metadata.
func offsetArgs(args []string) (ps []kmsg.OffsetCommitRequestTopicPartition, topics []string) {
	for _, a := range args {
		tp, value, _ := strings.Cut(a, "=")
		topic, partition, _ := strings.Cut(tp, ":")
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		n, _ := strconv.Atoi(partition)
		p.Partition = int32(n)
		offset, metadata, ok := strings.Cut(value, "/")
		p.Offset, _ = strconv.ParseInt(offset, 10, 64)
		if ok {
			p.Metadata = &metadata
		}
		ps, topics = append(ps, p), append(topics, topic)
	}
	return ps, topics
}

func (s *script) commit(c *scriptClient, w words) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version = w.version(9)
	req.Group = c.group
	if c.name != "simple" {
		req.Generation, req.MemberID, req.InstanceID = c.generation, c.id, c.instance
	}
	if r, ok := w.named["retention"]; ok {
		d, _ := time.ParseDuration(r)
		req.RetentionTimeMillis = d.Milliseconds()
	}
	ps, topics := offsetArgs(w.rest[1:])
	for i, p := range ps {
		if at, ok := w.named["at"]; ok {
			p.Timestamp, _ = strconv.ParseInt(at, 10, 64)
		}
		j := slices.IndexFunc(req.Topics, func(t kmsg.OffsetCommitRequestTopic) bool { return t.Topic == topics[i] })
		if j < 0 {
			j = len(req.Topics)
			req.Topics = append(req.Topics, kmsg.OffsetCommitRequestTopic{Topic: topics[i], TopicID: topicID(topics[i])})
		}
		req.Topics[j].Partitions = append(req.Topics[j].Partitions, p)
	}
	s.ask(c.name+" commit", func(ctx context.Context) string {
		r := s.c.OffsetCommit(ctx, Client{}, req)
		encode(r)
		var answers []string
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				answers = append(answers, fmt.Sprintf("%s:%d %s", topicLabel(t.Topic, t.TopicID), p.Partition, codeName(p.ErrorCode)))
			}
		}
		return strings.Join(answers, ", ")
	})
}

func (s *script) fetch(w words) {
	version, group := w.version(9), w.or("group", "g")
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.Group = version, group
	ask := kmsg.NewOffsetFetchRequestGroup()
	ask.Group = group
	for _, a := range w.rest {
		if a == "stable" {
			req.RequireStable = true
			continue
		}
		topic, list, _ := strings.Cut(a, ":")
		var ps []int32
		for _, p := range strings.Split(list, ",") {
			n, _ := strconv.Atoi(p)
			ps = append(ps, int32(n))
		}
		req.Topics = append(req.Topics, kmsg.OffsetFetchRequestTopic{Topic: topic, Partitions: ps})
		ask.Topics = append(ask.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: topic, TopicID: topicID(topic), Partitions: ps})
	}
	req.Groups = []kmsg.OffsetFetchRequestGroup{ask}
	s.ask("fetch", func(ctx context.Context) string {
		r := s.c.OffsetFetch(ctx, Client{}, req)
		encode(r)
		answers := []string{codeName(r.ErrorCode)}
		show := func(topic string, p kmsg.OffsetFetchResponseGroupTopicPartition) {
			a := fmt.Sprintf("%s:%d=%d", topic, p.Partition, p.Offset)
			if deref(p.Metadata) != "" {
				a += "/" + *p.Metadata
			}
			if p.ErrorCode != 0 {
				a += " " + codeName(p.ErrorCode)
			}
			answers = append(answers, a)
		}
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				show(t.Topic, kmsg.OffsetFetchResponseGroupTopicPartition(p))
			}
		}
		for _, g := range r.Groups {
			answers[0] = codeName(g.ErrorCode)
			for _, t := range g.Topics {
				for _, p := range t.Partitions {
					show(topicLabel(t.Topic, t.TopicID), p)
				}
			}
		}
		return strings.Join(answers, " ")
	})
}

func topicLabel(name string, id [16]byte) string {
	if name == "" {
		return "id(" + strings.TrimRight(string(id[:]), "\x00") + ")"
	}
	return name
}

func (s *script) offsetDelete(w words) {
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = w.or("group", "g")
	for _, a := range w.rest {
		topic, list, _ := strings.Cut(a, ":")
		t := kmsg.OffsetDeleteRequestTopic{Topic: topic}
		for _, p := range strings.Split(list, ",") {
			n, _ := strconv.Atoi(p)
			t.Partitions = append(t.Partitions, kmsg.OffsetDeleteRequestTopicPartition{Partition: int32(n)})
		}
		req.Topics = append(req.Topics, t)
	}
	s.ask("odelete", func(ctx context.Context) string {
		r := s.c.OffsetDelete(ctx, Client{}, req)
		encode(r)
		answer := codeName(r.ErrorCode)
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				answer += fmt.Sprintf(" %s:%d %s", t.Topic, p.Partition, codeName(p.ErrorCode))
			}
		}
		return answer
	})
}

func (s *script) admin(command string, w words) {
	switch command {
	case "describe":
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Version, req.Groups = w.version(6), w.rest
		if len(w.rest) == 0 {
			req.Groups = []string{"g"}
		}
		s.ask("describe", func(ctx context.Context) string {
			r := s.c.DescribeGroups(ctx, Client{}, req)
			encode(r)
			var b strings.Builder
			for _, g := range r.Groups {
				fmt.Fprintf(&b, "%s %s %s type=%s protocol=%s", g.Group, codeName(g.ErrorCode), g.State, g.ProtocolType, g.Protocol)
				for _, m := range g.Members {
					fmt.Fprintf(&b, " [%s client=%s%s metadata=%dB assignment=%s]", m.MemberID, m.ClientID, m.ClientHost, len(m.ProtocolMetadata), m.MemberAssignment)
				}
			}
			return b.String()
		})
	case "list":
		req := kmsg.NewPtrListGroupsRequest()
		req.Version = 5
		if f := w.or("states", ""); f != "" {
			req.StatesFilter = strings.Split(f, ",")
		}
		if f := w.or("types", ""); f != "" {
			req.TypesFilter = strings.Split(f, ",")
		}
		s.ask("list", func(ctx context.Context) string {
			r := s.c.ListGroups(ctx, Client{}, req)
			encode(r)
			answer := codeName(r.ErrorCode)
			for _, g := range r.Groups {
				answer += fmt.Sprintf(" [%s %s %s %s]", g.Group, g.ProtocolType, g.GroupState, g.GroupType)
			}
			return answer
		})
	case "delete":
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Version, req.Groups = 2, w.rest
		s.ask("delete", func(ctx context.Context) string {
			r := s.c.DeleteGroups(ctx, Client{}, req)
			encode(r)
			var answers []string
			for _, g := range r.Groups {
				answers = append(answers, g.Group+" "+codeName(g.ErrorCode))
			}
			return strings.Join(answers, ", ")
		})
	}
}

func (s *script) txnCommit(producer string, args []string) {
	id, _ := strconv.ParseInt(producer, 10, 64)
	ps, topics := offsetArgs(args)
	var records []record
	for i, p := range ps {
		records = append(records, offsetRecord("g", topics[i], p.Partition, committed{offset: p.Offset, leaderEpoch: -1, expireMs: noTimestamp}))
	}
	_, err := s.journal.AppendBatch(0, s.epoch, protocol.BatchOptions{ProducerID: id, Transactional: true}, records)
	if err != nil {
		panic(err)
	}
}

// log shows the records written since the last call.
func (s *script) log() string {
	records := s.journal.Records(0)
	var b strings.Builder
	for _, r := range records[s.logged:] {
		d, err := decode(r)
		switch {
		case err != nil:
			fmt.Fprintf(&b, "  undecodable: %v\n", err)
		case groupKinds[d.kind] == typeConsumer:
			b.WriteString(showConsumerRecord(r))
		case d.topic != "" && d.commit == nil:
			fmt.Fprintf(&b, "  offset %s %s:%d removed\n", d.group, d.topic, d.partition)
		case d.topic != "":
			fmt.Fprintf(&b, "  offset %s %s:%d=%d/%s version %d", d.group, d.topic, d.partition, d.commit.offset, d.commit.metadata, r.Value[1])
			if d.commit.expireMs != noTimestamp {
				fmt.Fprintf(&b, " expires %s after the commit", time.Duration(d.commit.expireMs-d.commit.commitMs)*time.Millisecond)
			}
			b.WriteString("\n")
		case d.metadata == nil:
			fmt.Fprintf(&b, "  group %s removed\n", d.group)
		default:
			fmt.Fprintf(&b, "  group %s generation=%d type=%s protocol=%s leader=%s", d.group, d.metadata.generation, d.metadata.protocolType,
				deref(d.metadata.protocol), deref(d.metadata.leader))
			for _, m := range d.metadata.members {
				fmt.Fprintf(&b, " [%s %s]", m.memberID, showAssignment(m.assignment))
			}
			b.WriteString("\n")
		}
	}
	s.logged = len(records)
	return b.String()
}

// encode makes sure that a response can be written in its version and read back.
func encode(r kmsg.Response) {
	if err := r.ReadFrom(r.AppendTo(nil)); err != nil {
		panic(fmt.Sprintf("%T version %d: %v", r, r.GetVersion(), err))
	}
}
