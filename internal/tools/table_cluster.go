package tools

// Tools for the cluster, its servers and its files.
var clusterTools = []Tool{
	clusterTool,
	dumpLogTool,
	e2eLatencyTool,
	featuresTool,
	logDirsTool,
	metadataQuorumTool,
	storageTool,
	transactionsTool,
}
