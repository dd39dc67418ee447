package tools

// Tools for groups, configuration and rights.
var groupTools = []Tool{consumerGroupsTool, configsTool, aclsTool, groupsTool, clientMetricsTool, leaderElectionTool, delegationTokensTool, shareGroupsTool, reassignPartitionsTool, streamsGroupsTool}
