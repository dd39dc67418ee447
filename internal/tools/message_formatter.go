package tools

import (
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/gokafka/gokafka/internal/client"
)

// messageFormatter appends a record as it is to be printed.
type messageFormatter func(out []byte, r *kgo.Record) ([]byte, error)

// findFormatter finds one by the name of Java's class, those of 2.8 included.
func findFormatter(env *Env, class string, p client.Properties) (messageFormatter, error) {
	name, ok := strings.CutPrefix(class, "org.apache.kafka.tools.consumer.")
	if !ok {
		name = strings.TrimPrefix(class, "kafka.tools.") // 2.8
	}
	if name == class {
		return nil, usageError(class)
	}
	switch name {
	case "DefaultMessageFormatter":
		return newDefaultFormatter(env, p).append, nil
	case "LoggingMessageFormatter": // the same, and a log line at level INFO, which Kafka's tools do not show
		return newDefaultFormatter(env, p).append, nil
	case "OffsetsMessageFormatter":
		return coordinatorFormatter("group", 0, 1), nil
	case "GroupMetadataMessageFormatter":
		return coordinatorFormatter("group", 2), nil
	case "ShareGroupMessageFormatter":
		return coordinatorFormatter("group", 10, 11, 12, 13, 14, 15), nil
	case "TransactionLogMessageFormatter":
		return coordinatorFormatter("transaction"), nil
	case "group.share.ShareGroupStateMessageFormatter":
		return coordinatorFormatter("share"), nil
	case "NoOpMessageFormatter":
		return func(out []byte, _ *kgo.Record) ([]byte, error) { return out, nil }, nil
	}
	return nil, usageError(class)
}

// defaultFormatter prints what was asked for of a record, in Kafka's order.
type defaultFormatter struct {
	timestamp, partition, offset, delivery, epoch, headers, key, value bool

	separator, lineSeparator, headersSeparator, null        []byte
	keyDeserializer, valueDeserializer, headersDeserializer deserializer // nil: as it is
}

func newDefaultFormatter(env *Env, p client.Properties) *defaultFormatter {
	is := func(key string, otherwise bool) bool {
		text, ok := p[key]
		if !ok {
			return otherwise
		}
		return strings.EqualFold(strings.TrimSpace(text), "true")
	}
	text := func(key, otherwise string) []byte {
		if v, ok := p[key]; ok {
			return []byte(v)
		}
		return []byte(otherwise)
	}
	find := func(key string) deserializer {
		class, ok := p[key]
		if !ok {
			return nil
		}
		d, ok := findDeserializer(class)
		if !ok {
			env.errorf("%s ERROR Unable to instantiate a deserializer from %s (org.apache.kafka.tools.consumer.DefaultMessageFormatter)\njava.lang.ClassNotFoundException: %s\n",
				env.stamp(), class, class)
		}
		return d
	}
	return &defaultFormatter{
		timestamp: is("print.timestamp", false), partition: is("print.partition", false), offset: is("print.offset", false), delivery: is("print.delivery", false),
		epoch: is("print.epoch", false), headers: is("print.headers", false), key: is("print.key", false), value: is("print.value", true),
		separator: text("key.separator", "\t"), lineSeparator: text("line.separator", "\n"), headersSeparator: text("headers.separator", ","),
		null: text("null.literal", "null"), keyDeserializer: find("key.deserializer"), valueDeserializer: find("value.deserializer"),
		headersDeserializer: find("headers.deserializer"),
	}
}

func (f *defaultFormatter) append(out []byte, r *kgo.Record) ([]byte, error) {
	var err error
	// A separator stands between two columns, the line's behind the last.
	columns := 0
	for _, c := range [...]bool{f.timestamp, f.partition, f.offset, f.delivery, f.epoch, f.headers, f.key, f.value} {
		if c {
			columns++
		}
	}
	column := func() {
		if columns--; columns > 0 {
			out = append(out, f.separator...)
		} else {
			out = append(out, f.lineSeparator...)
		}
	}
	if f.timestamp {
		out = appendTimestamp(out, r)
		column()
	}
	if f.partition {
		out = strconv.AppendInt(append(out, "Partition:"...), int64(r.Partition), 10)
		column()
	}
	if f.offset {
		out = strconv.AppendInt(append(out, "Offset:"...), r.Offset, 10)
		column()
	}
	if f.delivery {
		out = append(out, "Delivery:"...)
		if n := r.DeliveryCount(); n > 0 {
			out = strconv.AppendInt(out, int64(n), 10)
		} else {
			out = append(out, "NOT_PRESENT"...)
		}
		column()
	}
	if f.epoch {
		out = append(out, "Epoch:NOT_PRESENT"...) // Java's console consumer drops it before it formats, up to 4.3.1
		column()
	}
	if f.headers {
		if out, err = f.appendHeaders(out, r.Headers); err != nil {
			return out, err
		}
		column()
	}
	if f.key {
		if out, err = f.appendData(out, f.keyDeserializer, r.Key); err != nil {
			return out, err
		}
		column()
	}
	if f.value {
		if out, err = f.appendData(out, f.valueDeserializer, r.Value); err != nil {
			return out, err
		}
		column()
	}
	return out, nil
}

func (f *defaultFormatter) appendHeaders(out []byte, headers []kgo.RecordHeader) ([]byte, error) {
	if len(headers) == 0 {
		return append(out, "NO_HEADERS"...), nil
	}
	var err error
	for i, h := range headers {
		if i > 0 {
			out = append(out, f.headersSeparator...)
		}
		out = append(append(out, h.Key...), ':')
		if out, err = f.appendData(out, f.headersDeserializer, h.Value); err != nil {
			return out, err
		}
	}
	return out, nil
}

// appendData shows a key, value or header. What is not there is shown as null.literal, through the deserializer, as in Java.
func (f *defaultFormatter) appendData(out []byte, d deserializer, data []byte) ([]byte, error) {
	if data == nil {
		data = f.null
	}
	if d == nil {
		return append(out, data...), nil
	}
	text, err := d(data)
	return append(out, text...), err
}

func appendTimestamp(out []byte, r *kgo.Record) []byte {
	switch r.Attrs.TimestampType() {
	case 0:
		out = append(out, "CreateTime:"...)
	case 1:
		out = append(out, "LogAppendTime:"...)
	default:
		return append(out, "NO_TIMESTAMP"...)
	}
	return strconv.AppendInt(out, r.Timestamp.UnixMilli(), 10)
}
