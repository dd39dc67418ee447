package api

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/zap/zapcore"
)

// rootLogger is the name of the logger that all others inherit from, as in log4j.
const rootLogger = "root"

// traceLevel is log4j's TRACE, one below zap's Debug.
const traceLevel = zapcore.DebugLevel - 1

// logLevelNames are the levels of log4j that the BROKER_LOGGER resource takes (LogLevelConfig.java), with zap's.
var logLevelNames = map[string]zapcore.Level{
	"TRACE": traceLevel, "DEBUG": zapcore.DebugLevel, "INFO": zapcore.InfoLevel,
	"WARN": zapcore.WarnLevel, "ERROR": zapcore.ErrorLevel, "FATAL": zapcore.FatalLevel,
}

// LogLevels are the levels of the node's named loggers, which the BROKER_LOGGER configurations show and change while the node runs. A logger
// that has no level of its own follows the nearest one above it in dotted names, at last root. Safe for concurrent use; reading a level takes
// no lock.
type LogLevels struct {
	names  []string                                 // loggers that exist, root first
	levels atomic.Pointer[map[string]zapcore.Level] // those that have a level of their own; never changed in place
	saved  zapcore.Level                            // root's at the start
}

// NewLogLevels returns levels for the loggers of these names, all following root.
func NewLogLevels(root zapcore.Level, names ...string) *LogLevels {
	l := &LogLevels{saved: root}
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	l.names = append([]string{rootLogger}, slices.Compact(sorted)...)
	l.levels.Store(&map[string]zapcore.Level{rootLogger: root})
	return l
}

// Core returns a core that writes to c what the entry's logger is to write. c itself must let every level pass.
func (l *LogLevels) Core(c zapcore.Core) zapcore.Core { return &leveledCore{Core: c, levels: l} }

// level returns the level in force for a logger.
func (l *LogLevels) level(name string) zapcore.Level {
	own := *l.levels.Load()
	for name != "" {
		if lv, ok := own[name]; ok {
			return lv
		}
		i := strings.LastIndexByte(name, '.')
		name = name[:max(i, 0)]
	}
	return own[rootLogger]
}

// lowest is the lowest level of any logger: what is below it is not worth building an entry for.
func (l *LogLevels) lowest() zapcore.Level {
	lowest := zapcore.FatalLevel
	for _, lv := range *l.levels.Load() {
		lowest = min(lowest, lv)
	}
	return lowest
}

// all yields every logger with the level in force, in log4j's words.
func (l *LogLevels) all() map[string]string {
	out := map[string]string{}
	if l == nil {
		return out
	}
	for _, n := range l.names {
		out[n] = levelName(l.level(n))
	}
	return out
}

func levelName(lv zapcore.Level) string {
	for name, v := range logLevelNames {
		if v == lv {
			return name
		}
	}
	return lv.CapitalString()
}

func (l *LogLevels) exists(name string) bool { return l != nil && slices.Contains(l.names, name) }

// set gives a logger a level of its own.
func (l *LogLevels) set(name, level string) {
	l.change(func(own map[string]zapcore.Level) { own[name] = logLevelNames[level] })
}

// unset lets a logger follow the one above it again; root goes back to its level at the start.
func (l *LogLevels) unset(name string) {
	l.change(func(own map[string]zapcore.Level) {
		delete(own, name)
		if name == rootLogger {
			own[name] = l.saved
		}
	})
}

func (l *LogLevels) change(f func(map[string]zapcore.Level)) {
	for {
		old := l.levels.Load()
		next := maps.Clone(*old)
		f(next)
		if l.levels.CompareAndSwap(old, &next) {
			return
		}
	}
}

// checkLogger returns Kafka's error for a logger that does not exist.
func (l *LogLevels) checkLogger(name string) error {
	if l.exists(name) {
		return nil
	}
	return reject(kerr.InvalidConfig, "Logger %s does not exist!", name)
}

// checkLevel returns Kafka's error for a level that log4j does not have.
func checkLevel(logger, level string) error {
	if _, ok := logLevelNames[level]; ok {
		return nil
	}
	return reject(kerr.InvalidConfig, "Cannot set the log level of %s to %s as it is not a supported log level. Valid log levels are %s",
		logger, level, strings.Join(slices.Sorted(maps.Keys(logLevelNames)), ", "))
}

// leveledCore asks LogLevels instead of its own core what to let through.
type leveledCore struct {
	zapcore.Core
	levels *LogLevels
}

func (c *leveledCore) Enabled(lv zapcore.Level) bool { return lv >= c.levels.lowest() }

func (c *leveledCore) With(fields []zapcore.Field) zapcore.Core {
	return &leveledCore{Core: c.Core.With(fields), levels: c.levels}
}

func (c *leveledCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Level < c.levels.level(e.LoggerName) {
		return ce
	}
	return ce.AddCore(e, c)
}
