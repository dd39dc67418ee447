package tools

import (
	"cmp"
	"slices"
)

// All lists the tools by name.
func All() []Tool {
	all := slices.Concat(recordTools, groupTools, clusterTools)
	slices.SortFunc(all, func(a, b Tool) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Tools that make topics, and write and read records.
var recordTools = []Tool{topicsTool, consoleProducerTool, consoleConsumerTool, getOffsetsTool, brokerAPIVersionsTool, deleteRecordsTool, consumerPerfTool, producerPerfTool, consoleShareConsumerTool}
