package api

import (
	"bytes"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// TestLogLevelsFollowTheNearestLogger changes levels while loggers are in use and looks at what they write.
func TestLogLevelsFollowTheNearestLogger(t *testing.T) {
	levels := NewLogLevels(zapcore.InfoLevel, "broker", "log", "log.cleaner")
	var out bytes.Buffer
	enc := zap.NewDevelopmentEncoderConfig()
	root := zap.New(levels.Core(zapcore.NewCore(zapcore.NewConsoleEncoder(enc), zapcore.AddSync(&out), traceLevel)))
	cleaner := root.Named("log").Named("cleaner").With(zap.Int("n", 1))
	wrote := func(l *zap.Logger, level zapcore.Level) bool {
		out.Reset()
		l.Log(level, "hello")
		return strings.Contains(out.String(), "hello")
	}
	steps := []struct {
		name                    string
		change                  func()
		broker, log, cleanerLog zapcore.Level // lowest level that each writes
	}{
		{"at first", func() {}, zapcore.InfoLevel, zapcore.InfoLevel, zapcore.InfoLevel},
		{"log to DEBUG", func() { levels.set("log", "DEBUG") }, zapcore.InfoLevel, zapcore.DebugLevel, zapcore.DebugLevel},
		{"its cleaner to ERROR", func() { levels.set("log.cleaner", "ERROR") }, zapcore.InfoLevel, zapcore.DebugLevel, zapcore.ErrorLevel},
		{"log on its own no more", func() { levels.unset("log") }, zapcore.InfoLevel, zapcore.InfoLevel, zapcore.ErrorLevel},
		{"root to WARN", func() { levels.set("root", "WARN") }, zapcore.WarnLevel, zapcore.WarnLevel, zapcore.ErrorLevel},
		{"root back", func() { levels.unset("root"); levels.unset("log.cleaner") }, zapcore.InfoLevel, zapcore.InfoLevel, zapcore.InfoLevel},
	}
	for _, step := range steps {
		step.change()
		for name, check := range map[string]struct {
			l      *zap.Logger
			lowest zapcore.Level
		}{"broker": {root.Named("broker"), step.broker}, "log": {root.Named("log"), step.log}, "log.cleaner": {cleaner, step.cleanerLog}} {
			if !wrote(check.l, check.lowest) {
				t.Errorf("%s: %s did not write at %s", step.name, name, check.lowest)
			}
			if wrote(check.l, check.lowest-1) {
				t.Errorf("%s: %s wrote below %s", step.name, name, check.lowest)
			}
			if got := levels.all()[name]; got != levelName(check.lowest) {
				t.Errorf("%s: %s is shown at %s, want %s", step.name, name, got, levelName(check.lowest))
			}
		}
	}
}
