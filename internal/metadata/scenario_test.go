package metadata

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestScenarios runs testdata/scenarios: sequences of requests by several brokers and users, with the state after each. Commands:
//
//	register broker=N [incarnation=N] [previous=latest] [dirs=(a,b)] [rack=R]
//	beat broker=N [fence] [shutdown] [behind] [offline=(a)] [cordoned=(a)]
//	unregister broker=N
//	create topic=T partitions=N factor=N [configs=(k=v,…)], or replicas=(1,2) for one partition
//	isr topic=T partition=N broker=N to=(1,2) [recovering] [epoch=N]
//	elect topic=T partition=N [unclean]
//	reassign topic=T partition=N [to=(1,2)]      without to: cancel
//	assign broker=N dir=a topic=T partition=N
//	config topic=T set=(k=v,…)
//	feature name=F level=N [downgrade]
//	advance ms=N
//	restart
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		n := newTestNode(t).open()
		s := scenario{testNode: n, t: t, epochs: map[int32]int64{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t, n.t = t, t
			s.out.Reset()
			before := n.image()
			s.run(d)
			s.changes(before, n.image())
			return s.out.String()
		})
	})
}

type scenario struct {
	*testNode
	t      *testing.T
	out    strings.Builder
	epochs map[int32]int64
}

func (s *scenario) run(d *datadriven.TestData) {
	var broker, partition, count, factor, level int
	var topic, name string
	d.MaybeScanArgs(s.t, "broker", &broker)
	d.MaybeScanArgs(s.t, "topic", &topic)
	d.MaybeScanArgs(s.t, "partition", &partition)
	switch d.Cmd {
	case "register":
		s.register(d, int32(broker))
	case "beat":
		s.heartbeat(d, int32(broker))
	case "unregister":
		req := kmsg.NewPtrUnregisterBrokerRequest()
		req.BrokerID = int32(broker)
		s.result(ask[*kmsg.UnregisterBrokerResponse](s.testNode, req).ErrorCode)
	case "create":
		spec := topicSpec{name: topic, partitions: -1, rf: -1, configs: list(d, "configs")}
		if replicas := ids(d, "replicas"); replicas != nil {
			spec.assign = [][]int32{replicas}
		} else {
			d.ScanArgs(s.t, "partitions", &count)
			d.ScanArgs(s.t, "factor", &factor)
			spec.partitions, spec.rf = int32(count), int16(factor)
		}
		r := ask[*kmsg.CreateTopicsResponse](s.testNode, createTopics(7, false, spec)).Topics[0]
		s.resultText(r.ErrorCode, r.ErrorMessage)
	case "isr":
		s.alterISR(d, topic, int32(partition), int32(broker))
	case "elect":
		kind := int8(0)
		if d.HasArg("unclean") {
			kind = 1
		}
		r := ask[*kmsg.ElectLeadersResponse](s.testNode, electLeaders(2, kind, false, elect(topic, int32(partition))))
		s.result(r.Topics[0].Partitions[0].ErrorCode)
	case "reassign":
		r := ask[*kmsg.AlterPartitionAssignmentsResponse](s.testNode, reassign(0, true, topic, int32(partition), ids(d, "to")))
		s.resultText(r.Topics[0].Partitions[0].ErrorCode, r.Topics[0].Partitions[0].ErrorMessage)
	case "assign":
		req := kmsg.NewPtrAssignReplicasToDirsRequest()
		req.BrokerID, req.BrokerEpoch = int32(broker), s.epochs[int32(broker)]
		tr := kmsg.AssignReplicasToDirsRequestDirectoryTopic{TopicID: s.image().Topic(topic).ID}
		tr.Partitions = []kmsg.AssignReplicasToDirsRequestDirectoryTopicPartition{{Partition: int32(partition)}}
		dir := kmsg.AssignReplicasToDirsRequestDirectory{ID: dirs(d, "dir")[0], Topics: []kmsg.AssignReplicasToDirsRequestDirectoryTopic{tr}}
		req.Directories = []kmsg.AssignReplicasToDirsRequestDirectory{dir}
		s.result(ask[*kmsg.AssignReplicasToDirsResponse](s.testNode, req).Directories[0].Topics[0].Partitions[0].ErrorCode)
	case "config":
		r := ask[*kmsg.IncrementalAlterConfigsResponse](s.testNode, incremental(false, alterSpec{ResourceTopic, topic, prefixed("=", list(d, "set"))}))
		s.result(r.Resources[0].ErrorCode)
	case "feature":
		d.ScanArgs(s.t, "name", &name)
		d.ScanArgs(s.t, "level", &level)
		kind := upgradeOnly
		if d.HasArg("downgrade") {
			kind = safeDowngrade
		}
		r := ask[*kmsg.UpdateFeaturesResponse](s.testNode, updateFeatures(2, false, feature(name, int16(level), kind)))
		s.resultText(r.ErrorCode, r.ErrorMessage)
	case "advance":
		d.ScanArgs(s.t, "ms", &count)
		s.nowMs += int64(count)
	case "restart":
		s.close()
		s.testNode.open()
	default:
		s.t.Fatalf("what is %s", d.Cmd)
	}
}

func (s *scenario) register(d *datadriven.TestData, broker int32) {
	incarnation := 1
	d.MaybeScanArgs(s.t, "incarnation", &incarnation)
	req := registration(broker, byte(incarnation), dirs(d, "dirs")...)
	if req.LogDirs == nil && !d.HasArg("nodirs") {
		req.LogDirs = [][16]byte{{byte(broker), 9}}
	}
	req.PreviousBrokerEpoch = -1
	if d.HasArg("previous") {
		req.PreviousBrokerEpoch = s.epochs[broker]
	}
	var rack string
	if d.MaybeScanArgs(s.t, "rack", &rack); rack != "" {
		req.Rack = &rack
	}
	d.MaybeScanArgs(s.t, "cluster", &req.ClusterID)
	if d.HasArg("old") {
		req.Features = req.Features[:2]
	}
	r := ask[*kmsg.BrokerRegistrationResponse](s.testNode, req)
	if r.ErrorCode == 0 {
		s.epochs[broker] = r.BrokerEpoch
	}
	s.result(r.ErrorCode)
}

func (s *scenario) heartbeat(d *datadriven.TestData, broker int32) {
	req := at(1, kmsg.NewPtrBrokerHeartbeatRequest())
	req.BrokerID, req.BrokerEpoch, req.CurrentMetadataOffset = broker, s.epochs[broker], s.image().Offset()
	req.WantFence, req.WantShutdown = d.HasArg("fence"), d.HasArg("shutdown")
	req.OfflineLogDirs, req.CordonedLogDirs = dirs(d, "offline"), dirs(d, "cordoned")
	if d.HasArg("behind") {
		req.CurrentMetadataOffset = 0
	}
	if d.HasArg("stale") {
		req.BrokerEpoch--
	}
	r := ask[*kmsg.BrokerHeartbeatResponse](s.testNode, req)
	s.result(r.ErrorCode)
	fmt.Fprintf(&s.out, "caught up %v, fenced %v, should shut down %v\n", r.IsCaughtUp, r.IsFenced, r.ShouldShutdown)
}

func (s *scenario) alterISR(d *datadriven.TestData, topic string, partition, broker int32) {
	req := at(3, kmsg.NewPtrAlterPartitionRequest())
	req.BrokerID, req.BrokerEpoch = broker, s.epochs[broker]
	p := kmsg.NewAlterPartitionRequestTopicPartition()
	p.Partition = partition
	tr := kmsg.NewAlterPartitionRequestTopic()
	if t := s.image().Topic(topic); t != nil {
		tr.TopicID = t.ID
		if int(partition) < len(t.Partitions) {
			p.LeaderEpoch, p.PartitionEpoch = t.Partitions[partition].LeaderEpoch, t.Partitions[partition].PartitionEpoch
		}
	}
	var leaderEpoch, partitionEpoch int
	d.MaybeScanArgs(s.t, "leader-epoch", &leaderEpoch)
	d.MaybeScanArgs(s.t, "partition-epoch", &partitionEpoch)
	p.LeaderEpoch += int32(leaderEpoch)
	p.PartitionEpoch += int32(partitionEpoch)
	if d.HasArg("recovering") {
		p.LeaderRecoveryState = 1
	}
	for _, id := range ids(d, "to") {
		epoch := s.epochs[id]
		if d.HasArg("stale") {
			epoch--
		}
		p.NewEpochISR = append(p.NewEpochISR, kmsg.AlterPartitionRequestTopicPartitionNewEpochISR{BrokerID: id, BrokerEpoch: epoch})
	}
	tr.Partitions = append(tr.Partitions, p)
	req.Topics = append(req.Topics, tr)
	r := ask[*kmsg.AlterPartitionResponse](s.testNode, req)
	if r.ErrorCode != 0 {
		s.result(r.ErrorCode)
		return
	}
	s.result(r.Topics[0].Partitions[0].ErrorCode)
}

func (s *scenario) result(code int16) { s.resultText(code, nil) }

func (s *scenario) resultText(code int16, text *string) {
	name := "ok"
	if err := kerr.TypedErrorForCode(code); err != nil {
		name = err.Message
	}
	if text != nil {
		name += ": " + *text
	}
	s.out.WriteString(name + "\n")
}

// changes writes what is different in the image.
func (s *scenario) changes(before, after *Image) {
	for _, b := range after.Brokers() {
		if now := brokerLine(&b); before.Broker(b.ID) == nil || now != brokerLine(before.Broker(b.ID)) {
			s.out.WriteString(now)
		}
	}
	for _, b := range before.Brokers() {
		if after.Broker(b.ID) == nil {
			fmt.Fprintf(&s.out, "broker %d is gone\n", b.ID)
		}
	}
	for t := range after.Topics() {
		for i := range t.Partitions {
			now := partitionLine(t, i)
			if was := before.Topic(t.Name); was == nil || i >= len(was.Partitions) || now != partitionLine(was, i) {
				s.out.WriteString(now)
			}
		}
	}
	var features []string
	for name, level := range after.Features() {
		if before.Feature(name) != level {
			features = append(features, fmt.Sprintf("%s is now %d\n", name, level))
		}
	}
	for name := range before.Features() {
		if after.Feature(name) == 0 {
			features = append(features, name+" is off\n")
		}
	}
	sort.Strings(features)
	s.out.WriteString(strings.Join(features, ""))
}

func brokerLine(b *Broker) string {
	state := [...]string{"fenced", "unfenced", "shutting down"}[stateOf(b)]
	line := fmt.Sprintf("broker %d: %s", b.ID, state)
	for _, d := range b.LogDirs {
		line += " " + dirName(d)
	}
	if b.CordonedLogDirs != nil {
		line += " cordoned:"
		for _, d := range b.CordonedLogDirs {
			line += " " + dirName(d)
		}
	}
	return line + "\n"
}

func partitionLine(t *Topic, i int) string {
	p := &t.Partitions[i]
	line := fmt.Sprintf("%s-%d: leader %d epoch %d.%d replicas %v isr %v", t.Name, i, p.Leader, p.LeaderEpoch, p.PartitionEpoch, p.Replicas, p.ISR)
	if len(p.ELR) > 0 {
		line += fmt.Sprintf(" elr %v", p.ELR)
	}
	if len(p.LastKnownELR) > 0 {
		line += fmt.Sprintf(" last known %v", p.LastKnownELR)
	}
	if len(p.Adding)+len(p.Removing) > 0 {
		line += fmt.Sprintf(" adding %v removing %v", p.Adding, p.Removing)
	}
	if p.Recovering {
		line += " recovering"
	}
	line += " in"
	for _, d := range p.Directories {
		line += " " + dirName(d)
	}
	return line + "\n"
}

func dirName(d [16]byte) string {
	switch {
	case d == dirUnassigned:
		return "unassigned"
	case d == dirLost:
		return "lost"
	case d == dirMigrating:
		return "migrating"
	case d[1] == 9:
		return fmt.Sprintf("dir%d", d[0])
	}
	return string(d[:1])
}

// dirs makes directory ids of one letter names.
func dirs(d *datadriven.TestData, key string) [][16]byte {
	var out [][16]byte
	for _, name := range list(d, key) {
		if name == "" {
			continue
		}
		id := [16]byte{name[0]}
		if n, ok := strings.CutPrefix(name, "dir"); ok {
			v, _ := strconv.Atoi(n)
			id = [16]byte{byte(v), 9}
		}
		if name == "reserved" {
			id = dirLost
		}
		out = append(out, id)
	}
	if out == nil && d.HasArg(key) {
		out = [][16]byte{}
	}
	return out
}

func list(d *datadriven.TestData, key string) []string {
	for _, a := range d.CmdArgs {
		if a.Key == key {
			return a.Vals
		}
	}
	return nil
}

func ids(d *datadriven.TestData, key string) []int32 {
	var out []int32
	for _, text := range list(d, key) {
		v, _ := strconv.Atoi(text)
		out = append(out, int32(v))
	}
	return out
}

func prefixed(prefix string, list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = prefix + s
	}
	return out
}
