"""confluent-kafka, so librdkafka: 2.0.2 switches features on by exact old API versions, 2.16 negotiates."""
import sys
import time

import confluent_kafka
from confluent_kafka import (OFFSET_BEGINNING, OFFSET_END, Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer,
                             TopicPartition)
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

from harness import Skip, equal, eventually, fresh, main, scenario

BROKER = sys.argv[1]


def producer(**options):
    return Producer({"bootstrap.servers": BROKER, **{k.replace("_", "."): v for k, v in options.items()}})


def consumer(group=None, **options):
    config = {"bootstrap.servers": BROKER, "group.id": group or fresh("g"), "auto.offset.reset": "earliest", "enable.auto.commit": False,
              "session.timeout.ms": 10000, "heartbeat.interval.ms": 500, "topic.metadata.refresh.interval.ms": 1000}
    config.update({k.replace("_", "."): v for k, v in options.items()})
    return Consumer(config)


def admin():
    return AdminClient({"bootstrap.servers": BROKER})


def results(futures):
    return {k: f.result(30) for k, f in futures.items()}


def create(word, partitions=1, **configs):
    name, a = fresh(word), admin()  # a name for it: a client without one is gone before its answer comes
    results(a.create_topics([NewTopic(name, partitions, 1, config={k.replace("_", "."): v for k, v in configs.items()})]))
    return name


def produce(topic, values, partition=0, **options):
    """Sends values and returns their offsets, every one acknowledged."""
    p, offsets, errors = producer(**options), [], []

    def delivered(err, message):
        (errors if err else offsets).append(err or message.offset())

    for value in values:
        p.produce(topic, value, partition=partition, on_delivery=delivered)
        p.poll(0)
    equal(p.flush(30), 0, "records not delivered")
    if errors:
        raise KafkaException(errors[0])
    return offsets


def take(c, n, seconds=20):
    records, end = [], time.time() + seconds
    while len(records) < n and time.time() < end:
        for m in c.consume(n - len(records), 0.2):
            if m.error():
                raise KafkaException(m.error())
            records.append(m)
    equal(len(records), n, "records")
    return records


def at(topic, offset, partition=0):
    return TopicPartition(topic, partition, offset)


def error_of(call):
    """The name of the KafkaError that call raises."""
    try:
        call()
    except KafkaException as e:
        return e.args[0].name()
    raise AssertionError("no error")


@scenario
def tutorial():
    topic = fresh("tutorial")  # not created: sending to it does
    equal(produce(topic, [b"message %d" % i for i in range(10)]), list(range(10)))
    c = consumer()
    c.subscribe([topic])
    equal([(m.topic(), m.partition(), m.offset(), m.value()) for m in take(c, 10)], [(topic, 0, i, b"message %d" % i) for i in range(10)])
    c.close()


@scenario
def records():
    topic = create("records", partitions=3)
    p, sent = producer(linger_ms=5), {}
    for i in range(300):
        headers = [("a", b"1"), ("empty", b""), ("null", None), ("a", b"again-%d" % i)]
        sent[b"value-%d" % i] = (b"key-%d" % (i % 30), headers, (1, 1600000000000 + i))
        p.produce(topic, b"value-%d" % i, b"key-%d" % (i % 30), headers=headers, timestamp=1600000000000 + i)
    p.produce(topic, None, b"gone", partition=2)
    equal(p.flush(30), 0)
    c = consumer()
    c.subscribe([topic])
    got = {m.value(): m for m in take(c, 301)}
    for value, want in sent.items():
        equal((got[value].key(), got[value].headers(), got[value].timestamp()), want, "record")
    equal((got[None].partition(), got[None].key()), (2, b"gone"), "tombstone")
    c.close()


@scenario
def codecs():
    topic, want = create("codecs"), []
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        values = [b"%s-%d-" % (codec.encode(), i) + b"squeeze me " * 20 for i in range(200)]
        produce(topic, values, compression_type=codec, linger_ms=20)
        want += values
    c = consumer(check_crcs=True)
    c.subscribe([topic])
    equal([m.value() for m in take(c, len(want))], want)
    c.close()


@scenario
def acks():
    for level in (0, 1, -1):
        topic = create("acks")
        produce(topic, [b"%d" % i for i in range(100)], acks=level)
        c = consumer()
        c.subscribe([topic])
        equal([m.value() for m in take(c, 100)], [b"%d" % i for i in range(100)], "acks=%d" % level)
        c.close()


@scenario
def idempotent():
    topic = create("idempotent")
    equal(produce(topic, [b"%d" % i for i in range(5000)], enable_idempotence=True, linger_ms=1), list(range(5000)))


@scenario
def big():
    topic, value = create("big"), bytes(range(256)) * 3900
    equal(produce(topic, [value] * 5, message_max_bytes=8 << 20), list(range(5)))
    equal(error_of(lambda: produce(topic, [b"x" * (2 << 20)], message_max_bytes=8 << 20)), "MSG_SIZE_TOO_LARGE")
    c = consumer(fetch_message_max_bytes=1000)
    c.subscribe([topic])
    assert all(m.value() == value for m in take(c, 5)), "a big record came back changed"
    c.close()


@scenario
def empty():
    topic = create("empty", partitions=2)
    c = consumer(enable_partition_eof=True)
    c.subscribe([topic])
    eof = {m.partition(): (m.error().code(), m.offset()) for m in c.consume(2, 15)}
    equal(eof, {p: (KafkaError._PARTITION_EOF, 0) for p in (0, 1)})
    equal(c.get_watermark_offsets(at(topic, 0), timeout=10), (0, 0))
    equal([t.offset for t in c.committed([TopicPartition(topic, 0)], timeout=10)], [-1001])
    c.close()


def sharing(strategy):
    topic, name = create("group", partitions=4), fresh("g")
    a = consumer(name, partition_assignment_strategy=strategy)
    b = consumer(name, partition_assignment_strategy=strategy)
    a.subscribe([topic])
    eventually(lambda: (a.poll(0.1), equal(len(a.assignment()), 4)))
    b.subscribe([topic])
    eventually(lambda: (a.poll(0.1), b.poll(0.1), equal((len(a.assignment()), len(b.assignment())), (2, 2))))
    for partition in range(4):
        produce(topic, [b"%d" % i for i in range(10)], partition=partition)
    one, two = take(a, 20), take(b, 20)
    equal({m.partition() for m in one} | {m.partition() for m in two}, {0, 1, 2, 3})
    a.commit(asynchronous=False)
    b.commit(asynchronous=False)
    a.close()
    eventually(lambda: (b.poll(0.1), equal(len(b.assignment()), 4)))
    for partition in range(4):
        produce(topic, [b"more"], partition=partition)
    equal([m.value() for m in take(b, 4)], [b"more"] * 4, "after the other left")
    b.close()


@scenario
def group():
    sharing("range,roundrobin")


@scenario
def cooperative():
    sharing("cooperative-sticky")


@scenario
def static():
    topic, name = create("static"), fresh("g")
    joined = []
    for _ in range(2):
        c = consumer(name, group_instance_id="instance-1")
        c.subscribe([topic])
        eventually(lambda: (c.poll(0.1), equal(len(c.assignment()), 1)))
        joined.append(c.memberid())
        c.close()  # a static member does not leave: the next one takes its place at once
    equal([m.startswith("instance-1-") for m in joined], [True, True], "member ids %s" % joined)


@scenario
def commit():
    topic, name = create("commit"), fresh("g")
    produce(topic, [b"%d" % i for i in range(10)])
    c = consumer(name)
    c.subscribe([topic])
    take(c, 4)
    noted = TopicPartition(topic, 0, 4, "note of mine")
    equal(c.commit(offsets=[noted], asynchronous=False)[0].error, None)
    got = c.committed([TopicPartition(topic, 0)], timeout=10)[0]
    equal((got.offset, got.metadata), (4, "note of mine"))
    c.close()
    c = consumer(name)
    c.subscribe([topic])
    equal([m.value() for m in take(c, 3)], [b"4", b"5", b"6"])
    c.commit(asynchronous=False)
    c.close()
    c = consumer(name, enable_auto_commit=True, auto_commit_interval_ms=100)
    c.subscribe([topic])
    equal([m.offset() for m in take(c, 3)], [7, 8, 9])
    c.close()
    c = consumer(name)
    equal(c.committed([TopicPartition(topic, 0)], timeout=10)[0].offset, 10, "committed by close")
    c.close()


@scenario
def seek():
    topic = create("seek")
    produce(topic, [b"%d" % i for i in range(20)], linger_ms=50)
    c = consumer()
    c.assign([at(topic, OFFSET_BEGINNING)])
    take(c, 1)
    for offset in (13, 0, 19, 7):  # inside batches
        c.seek(at(topic, offset))
        equal(take(c, 1)[0].value(), b"%d" % offset)
    c.assign([at(topic, OFFSET_END)])
    equal(c.consume(1, 2), [])
    produce(topic, [b"20"])
    equal(take(c, 1)[0].offset(), 20)
    c.assign([at(topic, 1000)])  # out of range: auto.offset.reset decides
    equal(take(c, 1)[0].offset(), 0)
    c.close()


@scenario
def times():
    topic = create("times")
    for codec, base in (("none", 1600000000000), ("lz4", 1600000100000)):
        p = producer(compression_type=codec, linger_ms=50)
        for i in range(10):
            p.produce(topic, b"%d" % i, timestamp=base + i * 1000)
        equal(p.flush(30), 0)
    c = consumer()

    def find(ms):
        return c.offsets_for_times([at(topic, ms)], timeout=10)[0].offset

    equal([find(0), find(1600000003000), find(1600000003001), find(1600000104500), find(1700000000000)], [0, 3, 4, 15, OFFSET_END])
    equal(c.get_watermark_offsets(at(topic, 0), timeout=10), (0, 20))
    c.close()


@scenario
def lag():
    topic, name = create("lag"), fresh("g")
    produce(topic, [b"%d" % i for i in range(10)])
    c = consumer(name)
    c.subscribe([topic])
    take(c, 6)
    c.commit(offsets=[at(topic, 6)], asynchronous=False)
    low, high = c.get_watermark_offsets(at(topic, 0), timeout=10)
    equal((low, high - c.committed([TopicPartition(topic, 0)], timeout=10)[0].offset), (0, 4))
    a = admin()
    got = results(a.list_consumer_group_offsets([ConsumerGroupTopicPartitions(name)]))[name]
    equal([(t.topic, t.partition, t.offset) for t in got.topic_partitions], [(topic, 0, 6)])
    c.close()


@scenario
def topics():
    a, name = admin(), fresh("topics")
    results(a.create_topics([NewTopic(name, 2, 1)]))
    equal(error_of(lambda: results(a.create_topics([NewTopic(name, 2, 1)]))), "TOPIC_ALREADY_EXISTS")
    equal(error_of(lambda: results(a.create_topics([NewTopic(name + "-x", 1, 99)]))), "INVALID_REPLICATION_FACTOR")
    equal(error_of(lambda: results(a.create_topics([NewTopic("a/b", 1, 1)]))), "TOPIC_EXCEPTION")
    t = a.list_topics(timeout=10).topics[name]
    equal((sorted(t.partitions), [p.leader in p.isrs for p in t.partitions.values()]), ([0, 1], [True, True]))
    results(a.create_partitions([NewPartitions(name, 5)]))
    eventually(lambda: equal(len(a.list_topics(name, timeout=10).topics[name].partitions), 5))
    results(a.delete_topics([name]))
    eventually(lambda: equal(name in a.list_topics(timeout=10).topics, False))
    equal(error_of(lambda: results(a.delete_topics([name]))), "UNKNOWN_TOPIC_OR_PART")


@scenario
def configs():
    name, a = create("configs", retention_ms="1234567"), admin()

    def read():
        (got,) = results(a.describe_configs([ConfigResource("topic", name)])).values()
        return {k: (e.value, e.source) for k, e in got.items()}

    got = read()
    equal((got["retention.ms"], got["cleanup.policy"]), (("1234567", 1), ("delete", 5)), "value and source")
    alter = lambda **kw: results(a.alter_configs([ConfigResource("topic", name, set_config={k.replace("_", "."): v for k, v in kw.items()})]))
    alter(retention_ms="7654321")
    eventually(lambda: equal(read()["retention.ms"], ("7654321", 1)))
    equal(error_of(lambda: alter(retention_ms="soon")), "INVALID_CONFIG")
    (broker,) = results(a.describe_configs([ConfigResource("broker", str(next(iter(a.list_topics(timeout=10).brokers))))])).values()
    equal(broker["log.retention.hours"].value, "168")


@scenario
def groups():
    topic, name, a = create("groups"), fresh("g"), admin()
    produce(topic, [b"x"])
    c = consumer(name, client_id="compat-member")
    c.subscribe([topic])
    take(c, 1)
    c.commit(asynchronous=False)
    assert name in [g.group_id for g in a.list_consumer_groups(request_timeout=10).result(15).valid], "not in the list"
    d = results(a.describe_consumer_groups([name], request_timeout=10))[name]
    equal((d.state.name, d.protocol_type if hasattr(d, "protocol_type") else "consumer", [m.client_id for m in d.members]), ("STABLE", "consumer", ["compat-member"]))
    equal(error_of(lambda: results(a.delete_consumer_groups([name]))), "NON_EMPTY_GROUP")
    c.close()
    results(a.delete_consumer_groups([name]))
    assert name not in [g.group_id for g in a.list_consumer_groups(request_timeout=10).result(15).valid], "still listed after delete"


@scenario
def pattern():
    word = fresh("pattern")
    produce(word + "-a", [b"a"])
    c = consumer(enable_auto_commit=True)
    c.subscribe(["^" + word + "-.*"])
    equal(take(c, 1)[0].value(), b"a")
    produce(word + "-b", [b"b"])
    equal(take(c, 1)[0].value(), b"b")
    c.close()


def transactional(name, **options):
    p = producer(transactional_id=name, transaction_timeout_ms=20000, **options)
    p.init_transactions(30)
    return p


@scenario
def transactions():
    source, out, name = create("txn-in", partitions=2), create("txn-out", partitions=2), fresh("txn")
    for partition in range(2):
        produce(source, [b"%d-%d" % (partition, i) for i in range(20)], partition=partition)
    # What is read is copied, and counts as read when the copy is committed; what is aborted is read once more.
    c = consumer(name, isolation_level="read_committed")
    c.subscribe([source])
    p, copied, rounds = transactional(name), 0, 0
    while copied < 40:
        records = take(c, 5)
        p.begin_transaction()
        for m in records:
            p.produce(out, m.value(), partition=m.partition())
        p.send_offsets_to_transaction(c.position(c.assignment()), c.consumer_group_metadata(), 20)
        rounds += 1
        if rounds % 3 == 2:
            p.abort_transaction(20)
            for tp in c.committed(c.assignment(), timeout=20):  # back to where it was
                c.seek(TopicPartition(tp.topic, tp.partition, max(tp.offset, 0)))
        else:
            p.commit_transaction(20)
            copied += 5
    equal(sorted(tp.offset for tp in c.committed([TopicPartition(source, q) for q in range(2)], timeout=20)), [20, 20], "committed offsets")
    c.close()
    r = consumer(isolation_level="read_committed", enable_partition_eof=True)
    r.assign([at(out, OFFSET_BEGINNING, q) for q in range(2)])
    got, ends = {0: [], 1: []}, 0
    while ends < 2:
        m = r.poll(20)
        assert m is not None, "no end of the partition"
        if m.error():
            equal(m.error().code(), KafkaError._PARTITION_EOF)
            ends += 1
        else:
            got[m.partition()].append(m.value())
    equal(got, {q: [b"%d-%d" % (q, i) for i in range(20)] for q in range(2)}, "copied")
    r.close()
    # A second producer of the same id aborts what the first has left open, and fences it.
    p.begin_transaction()
    p.produce(out, b"lost", partition=0)
    p.flush(20)
    second = transactional(name)
    second.begin_transaction()
    second.produce(out, b"kept", partition=0)
    second.commit_transaction(20)
    try:
        p.commit_transaction(20)
        raise AssertionError("the fenced producer could commit")
    except KafkaException as e:
        assert e.args[0].code() in (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED), e
    r = consumer(isolation_level="read_committed")
    r.assign([at(out, OFFSET_BEGINNING)])
    equal(take(r, 21)[20].value(), b"kept")
    r.close()


@scenario
def kip848():
    if confluent_kafka.libversion()[1] < (2 << 24 | 4 << 16):
        raise Skip("librdkafka %s has no group.protocol" % confluent_kafka.libversion()[0])
    topic, name = create("kip848", partitions=4), fresh("g")

    def member(**options):
        config = {"bootstrap.servers": BROKER, "group.id": name, "group.protocol": "consumer", "auto.offset.reset": "earliest", "enable.auto.commit": False,
                  "topic.metadata.refresh.interval.ms": 1000}
        config.update({k.replace("_", "."): v for k, v in options.items()})
        return Consumer(config)

    client = admin()
    a, b = member(client_id="compat-a"), member(group_remote_assignor="range")
    a.subscribe([topic])
    eventually(lambda: (a.poll(0.1), equal(len(a.assignment()), 4)))
    b.subscribe([topic])
    eventually(lambda: (a.poll(0.1), b.poll(0.1), equal((len(a.assignment()), len(b.assignment())), (2, 2))), 60)
    for partition in range(4):
        produce(topic, [b"%d" % i for i in range(10)], partition=partition)
    one, two = take(a, 20), take(b, 20)
    equal({m.partition() for m in one} | {m.partition() for m in two}, {0, 1, 2, 3})
    a.commit(asynchronous=False)
    b.commit(asynchronous=False)
    d = results(client.describe_consumer_groups([name], request_timeout=10))[name]
    equal((d.state.name, len(d.members), d.type.name, sorted({len(m.assignment.topic_partitions) for m in d.members})), ("STABLE", 2, "CONSUMER", [2]))
    a.close()
    eventually(lambda: (b.poll(0.1), equal(len(b.assignment()), 4)), 60)
    for partition in range(4):
        produce(topic, [b"more"], partition=partition)
    equal([m.value() for m in take(b, 4)], [b"more"] * 4, "after the other left")
    b.commit(asynchronous=False)
    b.close()
    c = member(group_instance_id="instance")
    c.subscribe(["^" + topic[:-1] + ".*"])  # which the broker matches
    eventually(lambda: (c.poll(0.1), equal(len(c.assignment()), 4)), 60)
    equal([tp.offset for tp in c.committed([TopicPartition(topic, q) for q in range(4)], timeout=20)], [11] * 4, "committed")
    c.close()


main()
