package main

var nativeGroupFiles = map[string]string{
	"plan.csv":       "cg-t,0,0\ncg-t,1,100\n",
	"topics.json":    `{"topics":[{"topic":"re-t"}],"version":1}`,
	"same.json":      `{"version":1,"partitions":[{"topic":"re-t","partition":0,"replicas":[1]},{"topic":"re-t","partition":1,"replicas":[1]}]}`,
	"elsewhere.json": `{"version":1,"partitions":[{"topic":"re-t","partition":0,"replicas":[9]}]}`,
	"missing.json":   `{"version":1,"partitions":[{"topic":"re-t","partition":7,"replicas":[1]}]}`,
}

// Tools for groups, configuration and rights.
var nativeGroupCases = map[string][]string{
	"kafka-consumer-groups": {
		"do kafka-topics --create --topic cg-t --partitions 2",
		"do kafka-consumer-groups --reset-offsets --group cg1 --topic cg-t --to-latest --execute",
		"do kafka-consumer-groups --reset-offsets --group cg2 --topic cg-t:1 --to-latest --execute",
		"kafka-consumer-groups --list",
		"kafka-consumer-groups --list --state --type",
		"kafka-consumer-groups --describe --all-groups --verbose",
		"kafka-consumer-groups --describe --group cg1 --state",
		"kafka-consumer-groups --describe --group cg1 --members --verbose",
		"kafka-consumer-groups --describe --group nope",
		"kafka-consumer-groups --reset-offsets --group cg1 --topic cg-t --to-earliest --execute",
		"kafka-consumer-groups --reset-offsets --all-groups --all-topics --to-current --export --dry-run",
		"kafka-consumer-groups --reset-offsets --group cg1 --from-file {dir}/plan.csv --dry-run",
		"kafka-consumer-groups --reset-offsets --group cg1 --topic nope --to-latest --dry-run",
		"kafka-consumer-groups --reset-offsets --group cg1 --topic cg-t --to-datetime 2020-01-01T00:00:00.000 --dry-run",
		"kafka-consumer-groups --delete-offsets --group cg2 --topic cg-t:0",
		"kafka-consumer-groups --delete --group nope",
		"kafka-consumer-groups --describe",
		"kafka-groups --list",
		"kafka-groups --list --group-type bogus",
	},
	"kafka-configs": {
		"do kafka-topics --create --topic co-t",
		"kafka-configs --alter --topic co-t --add-config retention.ms=1000,cleanup.policy=[compact,delete]",
		"kafka-configs --describe --entity-type topics --entity-name co-t",
		"kafka-configs --describe --topic co-t --all",
		"kafka-configs --alter --topic co-t --add-config nope=1",
		"kafka-configs --describe --topic nope",
		"kafka-configs --alter --broker-defaults --add-config message.max.bytes=2000000",
		"kafka-configs --describe --entity-type brokers",
		"kafka-configs --describe --entity-type bogus",
		"kafka-configs --alter --topic co-t",
	},
	"kafka-reassign-partitions": {
		"do kafka-topics --create --topic re-t --partitions 2",
		"kafka-reassign-partitions --list",
		"kafka-reassign-partitions --generate --topics-to-move-json-file {dir}/topics.json --broker-list 1",
		"kafka-reassign-partitions --verify --reassignment-json-file {dir}/same.json",
		"kafka-reassign-partitions --execute --reassignment-json-file {dir}/elsewhere.json",
		"kafka-reassign-partitions --execute --reassignment-json-file {dir}/missing.json",
		"kafka-leader-election --election-type preferred --topic re-t --partition 0",
		"kafka-leader-election --election-type preferred",
	},
	"kafka-acls": {
		"kafka-acls --add --allow-principal bob --operation Read --topic t",
		"kafka-acls --add --allow-principal User:bob --operation Read",
		"kafka-share-groups --reset-offsets --group g --all-topics --to-earliest",
		"kafka-streams-groups --delete",
		"kafka-client-metrics --alter",
		"kafka-delegation-tokens --create",
	},
}
