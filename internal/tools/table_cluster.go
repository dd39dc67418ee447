package tools

// Tools for the cluster, its servers and its files.
var clusterTools = []Tool{
	dumpLogTool,
	storageTool,
}
