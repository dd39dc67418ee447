package broker

import "github.com/gokafka/gokafka/internal/log"

// LogDirs describes the log directories of this node and what lies in them.
func (b *Broker) LogDirs() []log.DirUsage { return b.logs.DirUsage() }
