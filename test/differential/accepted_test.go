package differential

import "regexp"

// accepted are the differences that are right as they are. Each says why; the shorter this list, the better.
var accepted = []acceptedDifference{
	accept("gokafka also serves the old versions that Kafka 4 dropped: features.md, Serve column",
		`ApiVersions/.* ApiKeys\[\d+\]\.MinVersion`, `[1-9]\d*`, `0`),
	accept("not served yet, so not advertised: SASL and tokens (36, 38-41), quotas "+
		"(48, 49), SCRAM (50, 51), raft voters (80, 81)",
		`ApiVersions/.* ApiKeys\[(36|38|39|4[01]|48|49|50|51|8[01])\]\..*`, `.*`, `\(absent\)`),
	accept("follows from the APIs that are not served yet", `ApiVersions/.* ApiKeys\.length`, ``, ``),
	accept("an offset in the metadata log, which holds other records", `ApiVersions/.* FinalizedFeaturesEpoch`, `\d+`, `\d+`),

	accept("Kafka trips over its own null and answers UNKNOWN_SERVER_ERROR; there is nothing to look up, so nothing is found",
		`Metadata/neither .*`, ``, ``),
	accept("Kafka's request is over before it begins; gokafka creates the topic at once and needs no time",
		`CreateTopics/negative timeout .*`, ``, ``),
	accept("Kafka fails on an operation it does not know with UNKNOWN_SERVER_ERROR; gokafka says what is wrong",
		`IncrementalAlterConfigs/unknown operation .*`, ``, ``),
	accept("gokafka refuses it for another reason first: its listeners cannot be changed while it runs at all",
		`IncrementalAlterConfigs/broker default of a per broker config .*ErrorMessage`, ``, ``),

	accept("Kafka names the reason of a refused batch for some reasons only; gokafka always does",
		`(Produce|Idempotence|Producers)/.*\.ErrorMessage`, `null`, `".+"`),
	accept("a batch that cannot be read is the producer's fault, and UNKNOWN_SERVER_ERROR makes producers send it again (features.md 6)",
		`Produce/(garbage records|garbage compressed|unknown codec) .*ErrorCode`, `-1`, `87|76`),
	accept("bytes after the batch are refused, not dropped in silence (features.md 3, batch validation)",
		`Produce/trailing bytes .*`, ``, ``),
	accept("follows from the refused trailing bytes: one batch less in each version",
		`Produce/end, offsets at -[13] Topics\[pr-plain\]\.Partitions\[12\]\..*`, ``, ``),
	accept("of no meaning next to an error", `(Produce|Producers)/.*\.LogStartOffset`, `-1`, `0`),
	accept("the record with the largest timestamp has been deleted; Kafka still names it",
		`DeleteRecords/after, offsets at -3 .*`, ``, `-1`),
	accept("the same: Kafka names a deleted record, gokafka the one that is left",
		`Producers/end, offsets at -3 Topics\[pd-one\]\.Partitions\[3\]\..*`, `\d+`, `\d+`),

	acceptAtTimes("under the policy upgrade only: with a group of classic members alone Kafka assigns what nobody has when one joins for another reason; gokafka asks for it",
		`Migration/mg-up, heartbeat after the downgrade ErrorCode`, `0`, `27`),

	accept("Kafka trips over its own null and answers UNKNOWN_SERVER_ERROR; a group id that is empty is not valid",
		`ShareGroups/offsets without a group Groups\[0\]\.Error(Code|Message)`, ``, ``),
	accept("Kafka fails the whole request with UNKNOWN_SERVER_ERROR; gokafka says UNKNOWN_TOPIC_ID of the partition and serves the others",
		`ShareFetches/(acknowledge along of an )?unknown topic \d .*`, ``, ``),
	accept("Kafka says whether it looked at one record or at a batch of them",
		`ShareFetches/acknowledge as no uuid \d .*ErrorMessage`, `"Member is not the owner of batch record"`, `"Member is not the owner of offset"`),
	accept("Kafka fails on an acquire mode that it does not know with UNKNOWN_SERVER_ERROR; gokafka says that it is the request's fault",
		`ShareFetches/unknown mode \d ErrorCode`, `-1`, `42`),
	accept("Kafka leaves a partition out that it did not look at, for there was nothing to fetch",
		`ShareFetches/no (records|bytes) \d Topics.*`, ``, ``),
	accept("the same offsets; Kafka does not join what lies in different batches of its own",
		`ShareFetches/all that may be locked 2 .*AcquiredRecords.*`, ``, ``),
	accept("gokafka's write has the start offset after an acknowledgement, Kafka's that before it with the same number of records done",
		`ShareFetches/where the group is \d .*\.StartOffset`, `\d+`, `\d+`),
	accept("gokafka writes at once that records of aborted transactions are done with, Kafka when it writes next",
		`ShareFetches/read_committed \d .*\.(StartOffset|Lag)`, `-1`, `\d+`),
	accept("the time of the control batches", `ShareFetches/read_(un)?committed \d .*\.Records`, ``, ``),

	accept("both say nothing", `Reassignments/none ErrorMessage`, `""`, `null`),
	accept("gokafka names the voters even when no partition is asked for", `Quorum/no partitions Nodes.*`, ``, ``),
	accept("other metadata logs, other elections", `Quorum/good .*\.(LeaderEpoch|HighWatermark|LogEndOffset)`, `\d+`, `\d+`),
}

// acceptAtTimes is accept for what need not occur.
func acceptAtTimes(why, where, kafka, gokafka string) acceptedDifference {
	a := accept(why, where, kafka, gokafka)
	a.sometimes = true
	return a
}

func accept(why, where, kafka, gokafka string) acceptedDifference {
	a := acceptedDifference{why: why, where: regexp.MustCompile("^" + where + "$")}
	if kafka != "" {
		a.kafka = regexp.MustCompile("^(?:" + kafka + ")$")
	}
	if gokafka != "" {
		a.gokafka = regexp.MustCompile("^(?:" + gokafka + ")$")
	}
	return a
}
