package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"

	"github.com/gokafka/gokafka/internal/api"
)

// The formats of the log.
const (
	formatText  = "text"  // for people: 14:40:33.034 INFO  log  message key=value
	formatJSON  = "json"  // for machines: one object per line
	formatKafka = "kafka" // as Kafka's own log: [2026-11-22 14:40:33,034] INFO message key=value (log)
)

var logFormats = []string{formatText, formatJSON, formatKafka}

// loggers are the loggers of a node, by the part that uses them; those of the kafka.* names write the lines that Kafka's log is searched for.
var loggers = []string{
	"api", "broker", "config", "group", "kafka.server.BrokerLifecycleManager", "kafka.server.KafkaRaftServer", "kafka.server.KafkaServer", "log", "metadata", "node", "server",
}

// newLogger makes the logger of the process, and the levels by which clients may change what it lets through.
func newLogger(w io.Writer, format string, root zapcore.Level) (*zap.Logger, *api.LogLevels, error) {
	if !slices.Contains(logFormats, format) {
		return nil, nil, usageError{fmt.Errorf("--log-format %s: one of %s", format, strings.Join(logFormats, ", "))}
	}
	var encoder zapcore.Encoder = &lineEncoder{MapObjectEncoder: zapcore.NewMapObjectEncoder(), kafka: format == formatKafka}
	if format == formatJSON {
		c := zap.NewProductionEncoderConfig()
		c.TimeKey, c.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
		encoder = zapcore.NewJSONEncoder(c)
	}
	everything := zap.LevelEnablerFunc(func(zapcore.Level) bool { return true })
	levels := api.NewLogLevels(root, loggers...)
	core := levels.Core(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), everything))
	return zap.New(core, zap.ErrorOutput(zapcore.Lock(zapcore.AddSync(w)))), levels, nil
}

// lineEncoder writes an entry as one line of text with its fields behind the message.
type lineEncoder struct {
	*zapcore.MapObjectEncoder // fields of Logger.With
	kafka                     bool
}

// Clone copies the encoder with the fields it has.
func (e *lineEncoder) Clone() zapcore.Encoder {
	c := &lineEncoder{MapObjectEncoder: zapcore.NewMapObjectEncoder(), kafka: e.kafka}
	maps.Copy(c.Fields, e.Fields)
	return c
}

var lines = buffer.NewPool()

// EncodeEntry writes one entry. Line breaks within a message or a value are written as \n, but for a stack, which follows on lines of its own.
func (e *lineEncoder) EncodeEntry(entry zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	b := lines.Get()
	if e.kafka {
		b.AppendString(entry.Time.Format("[2006-01-02 15:04:05,000] ") + levelWord(entry.Level) + " ")
	} else {
		b.AppendString(entry.Time.Format("15:04:05.000 ") + fmt.Sprintf("%-5s ", levelWord(entry.Level)))
		if entry.LoggerName != "" {
			b.AppendString(entry.LoggerName + ": ")
		}
	}
	b.AppendString(oneLine(entry.Message))
	for _, k := range slices.Sorted(maps.Keys(e.Fields)) {
		appendField(b, k, e.Fields[k])
	}
	for _, f := range fields {
		one := zapcore.NewMapObjectEncoder()
		f.AddTo(one)
		for _, k := range slices.Sorted(maps.Keys(one.Fields)) {
			if !strings.HasSuffix(k, "Verbose") { // zap adds err next to errVerbose for errors that print a stack
				appendField(b, k, one.Fields[k])
			}
		}
	}
	if e.kafka {
		b.AppendString(" (" + entry.LoggerName + ")")
	}
	b.AppendByte('\n')
	if entry.Stack != "" {
		b.AppendString(entry.Stack + "\n")
	}
	return b, nil
}

// levelWord is log4j's name of a level.
func levelWord(l zapcore.Level) string {
	switch {
	case l < zapcore.DebugLevel:
		return "TRACE"
	case l > zapcore.ErrorLevel:
		return "FATAL"
	}
	return l.CapitalString()
}

func appendField(b *buffer.Buffer, key string, value any) {
	text := fmt.Sprint(value)
	if text == "" || strings.ContainsAny(text, " =\"\n\r\t") {
		text = strconv.Quote(text)
	}
	b.AppendString(" " + key + "=" + text)
}

func oneLine(s string) string {
	return strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(s)
}
