package differential

import (
	"errors"
	"fmt"
	"iter"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// side is one of the two brokers.
type side struct {
	name   string // "kafka" or "gokafka"
	addr   string
	ranges map[int16][2]int16 // what it advertises
	scrub  []string           // texts of the installation and what stands for them
}

func newSide(name, addr, dir string) (*side, error) {
	c, err := dial(addr)
	if err != nil {
		return nil, err
	}
	defer c.close()
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version = 3
	req.ClientSoftwareName, req.ClientSoftwareVersion = "differential", "1"
	resp, err := c.request(req)
	if err != nil {
		return nil, err
	}
	s := &side{name: name, addr: addr, ranges: map[int16][2]int16{}}
	for _, k := range resp.(*kmsg.ApiVersionsResponse).ApiKeys {
		s.ranges[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
	}
	_, port, _ := net.SplitHostPort(addr)
	s.scrub = []string{dir, "<dir>", port, "<port>"}
	// The controller's port is in the file that both brokers started from.
	if text, err := os.ReadFile(filepath.Join(dir, "server.properties")); err == nil {
		if m := controllerPort.FindSubmatch(text); m != nil {
			s.scrub = append(s.scrub, string(m[1]), "<controller port>")
		}
	}
	return s, nil
}

var controllerPort = regexp.MustCompile(`(?m)^controller\.quorum\.bootstrap\.servers=.*:(\d+)$`)

// answer is what a broker said to one request.
type answer struct {
	step    string
	version int16
	key     int16 // of the API; -1 for a note
	lines   []line
}

// run is one scenario on one broker: requests go out, answers are recorded.
type run struct {
	t       *testing.T
	side    *side
	both    map[int16][2]int16 // the versions both brokers serve
	alone   map[int16][2]int16 // when set, versions yields these instead: those that only this broker serves
	syms    *symbols
	c       *conn
	answers []answer
	show    func(answer) // told of every answer as it comes; may be nil
}

func (r *run) record(a answer) {
	r.answers = append(r.answers, a)
	if r.show != nil {
		r.show(a)
	}
}

func newRun(t *testing.T, s *side, both map[int16][2]int16) *run {
	return &run{t: t, side: s, both: both, syms: newSymbols(s.scrub...)}
}

func (r *run) conn() *conn {
	if r.c == nil {
		c, err := dial(r.side.addr)
		if err != nil {
			r.t.Fatalf("%s: %v", r.side.name, err)
		}
		r.c = c
	}
	return r.c
}

func (r *run) end() {
	if r.c != nil {
		r.c.close()
		r.c = nil
	}
}

// versions yields every version of key that both brokers serve, newest last.
func (r *run) versions(key kmsg.Key) iter.Seq[int16] {
	return func(yield func(int16) bool) {
		v, ok := r.both[key.Int16()]
		if r.alone != nil {
			v, ok = r.alone[key.Int16()]
		}
		if !ok {
			return
		}
		for n := v[0]; n <= v[1]; n++ {
			if !yield(n) {
				return
			}
		}
	}
}

func (r *run) newest(key kmsg.Key) int16 { return r.both[key.Int16()][1] }
func (r *run) oldest(key kmsg.Key) int16 { return r.both[key.Int16()][0] }

// do sends req and records the answer under step. A broker that hangs up answers "connection closed"; the
// returned response is then empty. The next request opens a new connection.
func (r *run) do(step string, req kmsg.Request) kmsg.Response {
	resp, err := r.conn().request(req)
	a := answer{step: step, version: req.GetVersion(), key: req.Key()}
	switch {
	case err != nil:
		a.lines = []line{{"outcome", err.Error()}}
		resp = req.ResponseKind()
		r.end()
	case resp == nil:
		a.lines = []line{{"outcome", "nothing to answer"}}
	default:
		a.lines = r.syms.flatten(resp)
	}
	r.record(a)
	return resp
}

// note records a value that a scenario computed itself.
func (r *run) note(step, path, value string) {
	r.record(answer{step: step, version: -1, key: -1, lines: []line{{path, value}}})
}

// raw sends bytes as they are and records whether the broker answers or hangs up.
func (r *run) raw(step string, frame []byte) []byte {
	r.end()
	c := r.conn()
	c.timeout = 5 * time.Second
	err := c.send(frame)
	var body []byte
	if err == nil {
		body, err = c.receive()
	}
	out := "an answer"
	switch {
	case err != nil:
		out = err.Error()
	case len(body) <= 32:
		out = fmt.Sprintf("% x", body)
	}
	r.note(step, "outcome", out)
	r.end()
	return body
}

// quiet sends a request that only prepares the scene; its answer is not compared.
func (r *run) quiet(req kmsg.Request) kmsg.Response {
	resp, err := r.conn().request(req)
	if err != nil {
		r.end()
		r.t.Errorf("%s: %s: %v", r.side.name, kmsg.NameForKey(req.Key()), err)
		return req.ResponseKind()
	}
	return resp
}

// ask sends req in version v under step and returns the typed answer.
func ask[T kmsg.Response](r *run, step string, v int16, req kmsg.Request) T {
	req.SetVersion(v)
	return r.do(step, req).(T)
}

// topic creates a topic and waits until it can be used: Apache Kafka answers before it is.
func (r *run) topic(name string, partitions int32, configs ...string) {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = 5
	req.TimeoutMillis = 20000
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, 1
	for i := 0; i+1 < len(configs); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = configs[i], kmsg.StringPtr(configs[i+1])
		t.Configs = append(t.Configs, c)
	}
	req.Topics = append(req.Topics, t)
	resp := r.quiet(req).(*kmsg.CreateTopicsResponse)
	if len(resp.Topics) == 1 && resp.Topics[0].ErrorCode == kerr.TopicAlreadyExists.Code && r.alone != nil {
		return // the scenario has run before
	}
	if len(resp.Topics) == 1 && resp.Topics[0].ErrorCode != 0 {
		r.t.Errorf("%s: create %s: %v", r.side.name, name, kerr.ErrorForCode(resp.Topics[0].ErrorCode))
		return
	}
	r.awaitTopic(name, partitions)
}

func (r *run) awaitTopic(name string, partitions int32) {
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		t := r.metadata(name)
		if t.ErrorCode != 0 || len(t.Partitions) != int(partitions) {
			continue
		}
		ready := true
		for _, p := range t.Partitions {
			ready = ready && p.ErrorCode == 0
		}
		if ready && r.readable(name, partitions) {
			return
		}
	}
	r.t.Errorf("%s: topic %s did not become ready", r.side.name, name)
}

// readable says whether the leader of every partition answers: Apache Kafka publishes the metadata before it
// has made the partitions.
func (r *run) readable(name string, partitions int32) bool {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version = 1
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = name
	for p := range partitions {
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp = p, -1
		t.Partitions = append(t.Partitions, rp)
	}
	req.Topics = append(req.Topics, t)
	for _, t := range r.quiet(req).(*kmsg.ListOffsetsResponse).Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				return false
			}
		}
	}
	return true
}

// metadata looks one topic up, without creating it.
func (r *run) metadata(name string) kmsg.MetadataResponseTopic {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 10
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(name)
	req.Topics = append(req.Topics, t)
	resp := r.quiet(req).(*kmsg.MetadataResponse)
	if len(resp.Topics) != 1 {
		return kmsg.MetadataResponseTopic{ErrorCode: kerr.UnknownServerError.Code}
	}
	return resp.Topics[0]
}

func (r *run) topicID(name string) [16]byte { return r.metadata(name).TopicID }

// produce appends batches to a partition, one request each, and fails the test when one is refused.
func (r *run) produce(topic string, partition int32, batches ...batch) {
	for _, b := range batches {
		req := produceRequest(topic, partition, b.bytes())
		req.Version = 9
		resp := r.quiet(req).(*kmsg.ProduceResponse)
		if err := produceError(resp); err != nil {
			r.t.Errorf("%s: produce to %s-%d: %v", r.side.name, topic, partition, err)
		}
	}
}

func produceRequest(topic string, partition int32, records []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks = -1
	req.TimeoutMillis = 10000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, records
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

func produceError(resp *kmsg.ProduceResponse) error {
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return errors.New("no answer for the partition")
	}
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}

func env(key string) string { return os.Getenv(key) }

// eventually waits until ok holds.
func (r *run) eventually(ok func() bool) {
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(15 * time.Millisecond) {
		if ok() {
			return
		}
	}
	r.t.Errorf("%s: a change was not seen in time", r.side.name)
}
