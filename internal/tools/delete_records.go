package tools

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/gokafka/gokafka/internal/tools/jopt"
)

var deleteRecordsTool = Tool{Name: "kafka-delete-records", Summary: "delete the records of partitions below given offsets", Run: runDeleteRecords}

const deletionsHelp = "REQUIRED: A JSON file that says which records go, up to but without the offset:\n{\"partitions\":\n  [{\"topic\": \"foo\", \"partition\": 1, \"offset\": 1}],\n \"version\":1\n}"

func runDeleteRecords(ctx context.Context, env *Env, args []string) int {
	c := newCommand(env, "This tool helps to delete records of the given partitions down to the specified offset.")
	bootstrap := c.Accepts("bootstrap-server", "REQUIRED: Addresses of brokers.").WithRequiredArg("server(s) to use for bootstrapping")
	file := c.Accepts("offset-json-file", deletionsHelp).WithRequiredArg("Offset json file path")
	commandConfig := c.Accepts("command-config", "File with properties for the connection.").WithRequiredArg("command config property file path")
	err := c.start(args)
	if err == nil {
		err = firstError(c.requires(bootstrap, file), c.Single(bootstrap, file, commandConfig))
	}
	if err == nil {
		err = c.deleteRecords(ctx, bootstrap, file, commandConfig)
	}
	return c.end(ctx, err)
}

func (c *command) deleteRecords(ctx context.Context, bootstrap, file, commandConfig *jopt.Option) error {
	text, err := os.ReadFile(c.Value(file))
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return exception{"java.nio.file.NoSuchFileException", c.Value(file)}
		}
		return err
	}
	offsets, err := parseDeletions(text)
	if err != nil {
		return err
	}
	cl, err := connect(ctx, c.Value(bootstrap), c.Value(commandConfig))
	if err != nil {
		return err
	}
	defer cl.Close()
	c.env.println("Executing records delete operation")
	outcome, err := deleteRecords(ctx, cl, offsets)
	if err != nil {
		return err
	}
	c.env.println("Records delete operation completed:")
	for _, tp := range sortedPartitions(outcome) {
		if o := outcome[tp]; o.err != nil {
			c.env.printf("partition: %s\terror: %s\n", tp, exceptionOf(o.err).String())
		} else {
			c.env.printf("partition: %s\tlow_watermark: %d\n", tp, o.offset)
		}
	}
	return nil
}

// adminOperation is the exception of Kafka's tools for input that makes no sense.
func adminOperation(message string) error {
	return exception{"org.apache.kafka.server.common.AdminOperationException", message}
}

// parseDeletions reads the file of --offset-json-file.
func parseDeletions(text []byte) (map[topicPartition]int64, error) {
	if !json.Valid(text) {
		return nil, adminOperation("The input string is not a valid JSON")
	}
	var in struct {
		Version    *int
		Partitions *[]struct {
			Topic     *string
			Partition *int32
			Offset    *int64
		}
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, exception{"com.fasterxml.jackson.databind.JsonMappingException", err.Error()}
	}
	switch {
	case in.Version != nil && *in.Version != 1:
		return nil, adminOperation("Not supported version field value " + joinNumbers([]int32{int32(*in.Version)}, ""))
	case in.Partitions == nil:
		return nil, adminOperation("Missing partitions field")
	}
	offsets := map[topicPartition]int64{}
	var twice []string
	for _, p := range *in.Partitions {
		for name, missing := range map[string]bool{"topic": p.Topic == nil, "partition": p.Partition == nil, "offset": p.Offset == nil} {
			if missing {
				return nil, exception{"com.fasterxml.jackson.databind.JsonMappingException", "No such field exists: `" + name + "`"}
			}
		}
		tp := topicPartition{*p.Topic, *p.Partition}
		if _, ok := offsets[tp]; ok && !slices.Contains(twice, tp.String()) {
			twice = append(twice, tp.String())
		}
		offsets[tp] = *p.Offset
	}
	if len(twice) > 0 {
		return nil, exception{"org.apache.kafka.tools.AdminCommandFailedException", "Offset json file contains duplicate topic partitions: " + strings.Join(twice, ",")}
	}
	return offsets, nil
}

// deleteRecords has the leaders delete what lies below the offsets, and returns the new starts of the partitions.
func deleteRecords(ctx context.Context, cl *kgo.Client, offsets map[topicPartition]int64) (map[topicPartition]listedOffset, error) {
	if len(offsets) == 0 {
		return nil, nil
	}
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = timeoutMillis
	topics, numbers := byTopic(sortedPartitions(offsets))
	for _, name := range topics {
		t := kmsg.NewDeleteRecordsRequestTopic()
		t.Topic = name
		for _, n := range numbers[name] {
			p := kmsg.NewDeleteRecordsRequestTopicPartition()
			p.Partition, p.Offset = n, offsets[topicPartition{name, n}]
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	outcome := make(map[topicPartition]listedOffset, len(offsets))
	for _, shard := range cl.RequestSharded(ctx, req) {
		if shard.Err != nil {
			asked, ok := shard.Req.(*kmsg.DeleteRecordsRequest)
			if !ok || ctx.Err() != nil {
				return nil, shard.Err
			}
			for _, t := range asked.Topics {
				for _, p := range t.Partitions {
					outcome[topicPartition{t.Topic, p.Partition}] = listedOffset{-1, shard.Err}
				}
			}
			continue
		}
		for _, t := range shard.Resp.(*kmsg.DeleteRecordsResponse).Topics {
			for _, p := range t.Partitions {
				outcome[topicPartition{t.Topic, p.Partition}] = listedOffset{p.LowWatermark, answered(p.ErrorCode, nil)}
			}
		}
	}
	return outcome, nil
}
