package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/zap"
)

// topicsVariable is wurstmeister's, the first image that many used: name:partitions:replicas[:cleanup.policy],…. With _SEPARATOR after it, another separator.
const topicsVariable = "KAFKA_CREATE_TOPICS"

// topicSpec is a topic to create at the start.
type topicSpec struct {
	name       string
	partitions int32 // −1: num.partitions
	replicas   int16 // −1: default.replication.factor
	policy     string
}

// topics reads the variable.
func (c *container) topics() ([]topicSpec, error) {
	var text string
	separator := ","
	for _, v := range c.environ {
		if t, ok := strings.CutPrefix(v, topicsVariable+"="); ok {
			text = t
		}
		if s, ok := strings.CutPrefix(v, topicsVariable+"_SEPARATOR="); ok {
			separator = unquoteSeparator(s)
		}
	}
	return parseTopics(text, separator)
}

// unquoteSeparator takes the quotes off that wurstmeister's script needs around a line feed: $'\n'.
func unquoteSeparator(s string) string {
	if t, ok := strings.CutPrefix(s, "$'"); ok {
		s = strings.TrimSuffix(t, "'")
	}
	return strings.ReplaceAll(s, `\n`, "\n")
}

func parseTopics(text, separator string) ([]topicSpec, error) {
	var specs []topicSpec
	if separator == "" {
		separator = ","
	}
	for part := range strings.SplitSeq(text, separator) {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		spec, err := parseTopic(part)
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", topicsVariable, part, err)
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

func parseTopic(text string) (topicSpec, error) {
	fields := strings.Split(text, ":")
	if len(fields) > 4 {
		return topicSpec{}, errors.New("write name:partitions:replicas:cleanup.policy")
	}
	spec := topicSpec{name: strings.TrimSpace(fields[0]), partitions: -1, replicas: -1}
	number := func(i, bits int, what string) (int64, error) {
		if i >= len(fields) || strings.TrimSpace(fields[i]) == "" {
			return -1, nil
		}
		n, err := strconv.ParseInt(strings.TrimSpace(fields[i]), 10, bits)
		if err != nil || n < 1 {
			return 0, fmt.Errorf("%q is no number of %s (name:partitions:replicas)", fields[i], what)
		}
		return n, nil
	}
	partitions, err := number(1, 32, "partitions")
	if err != nil {
		return topicSpec{}, err
	}
	replicas, err := number(2, 16, "replicas")
	if err != nil {
		return topicSpec{}, err
	}
	spec.partitions, spec.replicas = int32(partitions), int16(replicas)
	if len(fields) == 4 {
		spec.policy = strings.TrimSpace(fields[3])
	}
	return spec, nil
}

// createTopics creates the topics that are not there yet. One that is refused is told of and keeps nobody from using the others.
func createTopics(ctx context.Context, controller kmsg.Requestor, specs []topicSpec, log *zap.Logger) {
	if len(specs) == 0 {
		return
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version = req.MaxVersion()
	for _, s := range specs {
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = s.name, s.partitions, s.replicas
		if s.policy != "" {
			c := kmsg.NewCreateTopicsRequestTopicConfig()
			c.Name, c.Value = "cleanup.policy", kmsg.StringPtr(s.policy)
			t.Configs = append(t.Configs, c)
		}
		req.Topics = append(req.Topics, t)
	}
	answer, err := controller.Request(ctx, req)
	resp, ok := answer.(*kmsg.CreateTopicsResponse)
	if err != nil || !ok {
		log.Error("topics of "+topicsVariable+" not created", zap.Error(err))
		return
	}
	for _, t := range resp.Topics {
		switch err := kerr.ErrorForCode(t.ErrorCode); {
		case err == nil:
			log.Info("topic created", zap.String("topic", t.Topic), zap.Int32("partitions", t.NumPartitions))
		case errors.Is(err, kerr.TopicAlreadyExists):
		default:
			why := err.Error()
			if t.ErrorMessage != nil {
				why = *t.ErrorMessage
			}
			log.Error("topic of "+topicsVariable+" not created", zap.String("topic", t.Topic), zap.String("err", why))
		}
	}
}
