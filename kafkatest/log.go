package kafkatest

import (
	"strings"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// maxLogLines is how much of the log is kept: the end is what tells of a failure.
const maxLogLines = 2000

// logBuffer keeps the last lines of a broker's log. It writes to the test only at its end: until then nobody knows whether they are wanted, and after
// it the test may no longer be written to.
type logBuffer struct {
	mu      sync.Mutex
	lines   []string // protected by mu
	dropped int      // protected by mu
}

func newLogBuffer() *logBuffer { return &logBuffer{} }

func (l *logBuffer) logger() *zap.Logger {
	c := zap.NewDevelopmentEncoderConfig()
	c.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
	c.ConsoleSeparator = " "
	c.CallerKey = zapcore.OmitKey
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(c), l, zapcore.InfoLevel))
}

// Write takes one entry, as zap writes them.
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == maxLogLines {
		l.lines = append(l.lines[:0], l.lines[maxLogLines/2:]...)
		l.dropped += maxLogLines / 2
	}
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

// Sync has nothing to do.
func (l *logBuffer) Sync() error { return nil }

// String returns what is kept.
func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := strings.Join(l.lines, "")
	if l.dropped > 0 {
		s = "… (the lines before are not kept)\n" + s
	}
	return strings.TrimRight(s, "\n")
}
