package tools

import (
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/client"
)

// consumerOptions turns the properties of a Java consumer into options of a client: how it fetches, and where it begins. Those of the connection are package
// client's, those of groups groupOptions'.
func consumerOptions(p client.Properties) ([]kgo.Opt, error) {
	r := &propertyReader{Properties: p}
	var opts []kgo.Opt
	if create, ok := r.boolean("allow.auto.create.topics"); create || !ok {
		opts = append(opts, kgo.AllowAutoTopicCreation())
	}
	if level, _ := r.oneOf("isolation.level", "read_committed", "read_uncommitted"); level == "read_committed" {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if start, err := startOffset(p["auto.offset.reset"]); err != nil {
		return nil, err
	} else if !start.none {
		opts = append(opts, kgo.ConsumeStartOffset(start.offset), kgo.ConsumeResetOffset(start.offset))
	} else {
		opts = append(opts, kgo.ConsumeStartOffset(kgo.NoResetOffset()), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	}
	const largest = 1 << 30
	wait := 500 * time.Millisecond // Java's
	if w, ok := r.millis("fetch.max.wait.ms"); ok {
		wait = w
	}
	opts = append(opts, kgo.FetchMaxWait(wait), kgo.BrokerMaxReadBytes(largest))
	for key, option := range map[string]func(int32) kgo.ConsumerOpt{
		"fetch.min.bytes": kgo.FetchMinBytes, "fetch.max.bytes": kgo.FetchMaxBytes, "max.partition.fetch.bytes": kgo.FetchMaxPartitionBytes,
	} {
		if n, ok := r.number(key, 32); ok {
			opts = append(opts, option(int32(max(1, min(n, largest)))))
		}
	}
	if rack := p["client.rack"]; rack != "" {
		opts = append(opts, kgo.Rack(rack))
	}
	if age, ok := r.millis("metadata.max.age.ms"); ok {
		age = max(time.Second, min(age, time.Hour))
		opts = append(opts, kgo.MetadataMaxAge(age), kgo.MetadataMinAge(min(age, 2500*time.Millisecond)))
	}
	return opts, r.err
}

// start is where a consumer begins without a committed offset.
type start struct {
	offset kgo.Offset
	none   bool // it does not: that is an error
}

func startOffset(reset string) (start, error) {
	switch strings.ToLower(reset) {
	case "", "latest", "largest":
		return start{offset: kgo.NewOffset().AtEnd()}, nil
	case "earliest", "smallest":
		return start{offset: kgo.NewOffset().AtStart()}, nil
	case "none":
		return start{none: true}, nil
	}
	return start{}, configError("auto.offset.reset", reset, "Invalid value `"+reset+"` for configuration auto.offset.reset. The value must be either 'earliest', 'latest', 'none' or of the format 'by_duration:<PnDTnHnMn.nS.>'.")
}

// groupOptions makes a client a member of the group that the properties name.
func groupOptions(p client.Properties) ([]kgo.Opt, error) {
	r := &propertyReader{Properties: p}
	opts := []kgo.Opt{kgo.ConsumerGroup(p["group.id"])}
	if commit, ok := r.boolean("enable.auto.commit"); ok && !commit {
		opts = append(opts, kgo.DisableAutoCommit())
	} else {
		// What was taken off the client, and no more, is committed.
		opts = append(opts, kgo.AutoCommitMarks())
		if interval, ok := r.millis("auto.commit.interval.ms"); ok {
			opts = append(opts, kgo.AutoCommitInterval(max(100*time.Millisecond, interval)))
		}
	}
	for key, option := range map[string]func(time.Duration) kgo.GroupOpt{
		"session.timeout.ms": kgo.SessionTimeout, "heartbeat.interval.ms": kgo.HeartbeatInterval, "max.poll.interval.ms": kgo.RebalanceTimeout,
	} {
		if d, ok := r.millis(key); ok {
			opts = append(opts, option(d))
		}
	}
	if id := p["group.instance.id"]; id != "" {
		opts = append(opts, kgo.InstanceID(id))
	}
	if protocol, ok := r.oneOf("group.protocol", "classic", "consumer", "CLASSIC", "CONSUMER"); ok {
		opts = append(opts, kgo.GroupProtocol(strings.ToLower(protocol)))
	}
	balancers, err := balancers(p["partition.assignment.strategy"])
	if err != nil {
		return nil, err
	}
	return append(opts, kgo.Balancers(balancers...)), r.err
}

// balancers are the assignors of Java's names; none gives those that Java has by default.
func balancers(names string) ([]kgo.GroupBalancer, error) {
	if names == "" {
		return []kgo.GroupBalancer{kgo.RangeBalancer(), kgo.CooperativeStickyBalancer()}, nil
	}
	var all []kgo.GroupBalancer
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		switch name[strings.LastIndexByte(name, '.')+1:] {
		case "RangeAssignor":
			all = append(all, kgo.RangeBalancer())
		case "RoundRobinAssignor":
			all = append(all, kgo.RoundRobinBalancer())
		case "StickyAssignor":
			all = append(all, kgo.StickyBalancer())
		case "CooperativeStickyAssignor":
			all = append(all, kgo.CooperativeStickyBalancer())
		default:
			return nil, exception{"java.lang.ClassNotFoundException", name}
		}
	}
	return all, nil
}
