package main

var nativeClusterFiles = map[string]string{
	"pairs":                                 "k1=v1\nk2=v2 ü\n",
	"storage-" + javaSide + ".properties":   storageProperties(javaSide),
	"storage-" + nativeSide + ".properties": storageProperties(nativeSide),
	"controller.properties":                 "node.id=7\nprocess.roles=controller\ncontroller.listener.names=CONTROLLER\nlisteners=CONTROLLER://:9093\nlog.dirs={dir}/none\n",
}

// storageProperties is the configuration of a server whose directories one of the two formats.
func storageProperties(side string) string {
	return "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=127.0.0.1:9093\ncontroller.listener.names=CONTROLLER\n" +
		"listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\nlistener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n" +
		"log.dirs={dir}/" + side + "/d1,{dir}/" + side + "/d2\n"
}

// Tools for the cluster, its servers and its files.
var nativeClusterCases = map[string][]string{
	"kafka-storage": {
		"kafka-storage info -c {dir}/storage-{side}.properties",
		"kafka-storage format -c {dir}/storage-{side}.properties -t 4L6g3nShT-eMCtK--X86sw",
		"kafka-storage format -c {dir}/storage-{side}.properties -t 4L6g3nShT-eMCtK--X86sw -s -r 4.1 -f group.version=0",
		"kafka-storage info -c {dir}/storage-{side}.properties",
		"kafka-storage format -c {dir}/storage-{side}.properties -t 4L6g3nShT-eMCtK--X86sw -s -g",
		"kafka-storage format -c {dir}/storage-{side}.properties -t other -s -g",
		"kafka-storage version-mapping -r 3.9",
		"kafka-storage feature-dependencies -f eligible.leader.replicas.version=1 -f bogus=1",
		"kafka-storage format",
	},
	"kafka-dump-log": {
		"do kafka-topics --create --topic du-t --config compression.type=zstd",
		"do kafka-console-producer --topic du-t --reader-property parse.key=true --reader-property key.separator== < pairs",
		"kafka-dump-log --files {data}/du-t-0/00000000000000000000.log --print-data-log",
		"kafka-dump-log --files {data}/du-t-0/00000000000000000000.log,{data}/du-t-0/00000000000000000000.txnindex,{data}/du-t-0/partition.metadata --deep-iteration",
		"kafka-dump-log --files {data}/__cluster_metadata-0/00000000000000000000.log,{data}/bootstrap.checkpoint --cluster-metadata-decoder",
		"kafka-dump-log --files {data}/du-t-0/00000000000000000000.log --offsets-decoder --skip-record-metadata",
		"kafka-dump-log --files {data}/none-0/00000000000000000000.log",
		"kafka-dump-log --help",
	},
	"kafka-log-dirs, kafka-cluster, kafka-metadata-quorum": {
		"do kafka-topics --create --topic ld-t",
		"kafka-log-dirs --describe --topic-list ld-t",
		"kafka-log-dirs --describe --broker-list 1,7",
		"kafka-log-dirs",
		"kafka-cluster cluster-id --bootstrap-server {broker}",
		"kafka-cluster list-endpoints --bootstrap-server {broker}",
		"kafka-cluster unregister --bootstrap-server {broker} --id 9",
		"kafka-cluster unregister --bootstrap-server {broker} --id x",
		"kafka-metadata-quorum describe --status",
		"kafka-metadata-quorum describe",
		"kafka-metadata-quorum --command-config {dir}/controller.properties add-controller --dry-run",
		"kafka-metadata-quorum remove-controller -i 5 -d JEXY6aqzQY-32P5TStzaFg --dry-run",
		"kafka-metadata-quorum remove-controller -i 5 -d JEXY6aqzQY-32P5TStzaFg",
	},
	"kafka-features, kafka-transactions": {
		"kafka-features describe",
		"kafka-features upgrade --release-version 4.3 --dry-run",
		"kafka-features upgrade --feature group.version=7",
		"kafka-features disable --feature bogus",
		"kafka-features upgrade",
		"kafka-features feature-dependencies --feature group.version=9",
		"do kafka-topics --create --topic tr-t",
		"kafka-transactions list",
		"kafka-transactions describe --transactional-id nope",
		"kafka-transactions describe-producers --topic tr-t --partition 0",
		"kafka-transactions find-hanging --broker-id 1",
		"kafka-transactions abort --topic tr-t --partition 0 --start-offset 5",
		"do kafka-configs --entity-type brokers --entity-default --alter --add-config transaction.partition.verification.enable=false",
		"do kafka-topics --create --topic tr-" + javaSide + " --partitions 2",
		"do kafka-topics --create --topic tr-" + nativeSide + " --partitions 2",
		"hang tr-" + javaSide,
		"hang tr-" + nativeSide,
		"do kafka-configs --entity-type brokers --entity-default --alter --delete-config transaction.partition.verification.enable",
		"kafka-transactions find-hanging --broker-id 1",
		"kafka-transactions find-hanging --topic tr-" + javaSide,
		"kafka-transactions find-hanging --topic tr-" + nativeSide + " --partition 1 --max-transaction-timeout 19",
		"kafka-transactions find-hanging --topic tr-" + nativeSide + " --max-transaction-timeout 21",
		"kafka-transactions list",
		"kafka-transactions abort --topic tr-{side} --partition 0 --start-offset 0",
		"kafka-transactions abort --topic tr-{side} --partition 0 --start-offset 0", // it is gone
		"kafka-transactions abort --topic tr-{side} --partition 1 --start-offset 0",
		"kafka-get-offsets --topic-partitions tr-{side}:0,tr-{side}:1",
		"kafka-transactions find-hanging --broker-id 1",
		"kafka-transactions bogus",
	},
}
