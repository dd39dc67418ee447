"""kafka-python, 1.4.7 to 3.0: the tutorial's program and the rest of its public interface."""
import json
import sys
import threading
import time

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import KafkaError, MessageSizeTooLargeError, TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata

from harness import Skip, equal, eventually, fresh, main, scenario

BROKER = sys.argv[1]
VERSION = tuple(int(n) for n in kafka.__version__.split(".")[:2])


def producer(**options):
    return KafkaProducer(bootstrap_servers=[BROKER], **options)


def consumer(*topics, **options):
    options.setdefault("auto_offset_reset", "earliest")
    options.setdefault("consumer_timeout_ms", 15000)
    return KafkaConsumer(*topics, bootstrap_servers=[BROKER], **options)


def admin():
    return KafkaAdminClient(bootstrap_servers=[BROKER])


def create(word, partitions=1, **configs):
    name = fresh(word)
    a = admin()
    a.create_topics([NewTopic(name, partitions, 1, topic_configs={k.replace("_", "."): v for k, v in configs.items()})])
    a.close()
    return name


def produce(topic, values, **options):
    """Sends values to partition 0 and returns their metadata, every one acknowledged."""
    p = producer(**options)
    sent = [p.send(topic, v, partition=0) for v in values]
    p.flush(30)
    p.close()
    return [f.get(30) for f in sent]


def take(c, n):
    """The next n records of c."""
    records = []
    for r in c:
        records.append(r)
        if len(records) == n:
            return records
    raise AssertionError("%d records within %d ms, want %d" % (len(records), c.config["consumer_timeout_ms"], n))


@scenario
def tutorial():
    topic = fresh("tutorial")  # not created: sending to it does
    p = KafkaProducer(bootstrap_servers=[BROKER], value_serializer=lambda v: json.dumps(v).encode("utf-8"))
    for i in range(10):
        p.send(topic, {"number": i})
    p.flush()
    c = KafkaConsumer(topic, bootstrap_servers=[BROKER], auto_offset_reset="earliest", enable_auto_commit=True,
                      group_id=fresh("tutorial-group"), value_deserializer=lambda v: json.loads(v.decode("utf-8")), consumer_timeout_ms=30000)
    got = []
    for message in c:
        equal((message.topic, message.partition), (topic, 0))
        got.append((message.offset, message.value["number"]))
        if len(got) == 10:
            break
    equal(got, [(i, i) for i in range(10)])
    # The same without a group, from the end: only what comes now.
    late = KafkaConsumer(topic, bootstrap_servers=[BROKER], consumer_timeout_ms=30000)
    eventually(lambda: (late.poll(timeout_ms=10), equal(late.assignment(), {TopicPartition(topic, 0)})))
    equal(late.position(TopicPartition(topic, 0)), 10)
    p.send(topic, {"number": 10})
    equal([r.offset for r in take(late, 1)], [10])
    for x in (p, c, late):
        x.close()


@scenario
def records():
    topic = create("records", partitions=3)
    p = producer(linger_ms=5)
    sent = {}
    for i in range(300):
        key, value = b"key-%d" % (i % 30), b"value-%d" % i
        headers = [("a", b"1"), ("empty", b""), ("a", b"again-%d" % i)]
        sent[value] = (p.send(topic, key=key, value=value, headers=headers, timestamp_ms=1600000000000 + i), key, headers, 1600000000000 + i)
    tombstone = p.send(topic, key=b"gone", value=None, partition=2).get(30)
    p.flush(30)
    c = consumer(topic)
    got = {r.value: r for r in take(c, 301)}
    for value, (future, key, headers, ts) in sent.items():
        m, r = future.get(1), got[value]
        equal((r.partition, r.offset, r.key, list(r.headers), r.timestamp, r.timestamp_type), (m.partition, m.offset, key, headers, ts, 0), "record")
    equal((got[None].partition, got[None].offset, got[None].key), (2, tombstone.offset, b"gone"), "tombstone")
    equal(len({got[b"value-%d" % i].partition for i in range(0, 300, 30)}), 1, "partitions of one key")
    c.close()
    topic = create("appendtime", message_timestamp_type="LogAppendTime")
    before = int(time.time() * 1000)
    p.send(topic, b"x", timestamp_ms=1).get(30)
    r = take(consumer(topic), 1)[0]
    equal(r.timestamp_type, 1, "timestamp type")
    assert before - 1000 <= r.timestamp <= before + 60000, "LogAppendTime %d, sent at %d" % (r.timestamp, before)
    p.close()


@scenario
def codecs():
    names = ["gzip", "snappy", "lz4"] + (["zstd"] if VERSION >= (2, 0) else [])
    topic = create("codecs")
    want = []
    for codec in [None] + names:
        values = [b"%s-%d-" % (str(codec).encode(), i) + b"squeeze me " * 20 for i in range(200)]
        produce(topic, values, compression_type=codec, linger_ms=20)
        want += values
    equal([r.value for r in take(consumer(topic), len(want))], want)


@scenario
def acks():
    # 2.3 puts a request with acks=0 into a buffer that nothing ever sends, whatever the broker.
    for level in (0, 1, "all") if VERSION != (2, 3) else (1, "all"):
        topic = create("acks")
        p = producer(acks=level)
        for i in range(100):
            p.send(topic, b"%d" % i)
        p.flush(30)
        p.close()
        equal([r.value for r in take(consumer(topic), 100)], [b"%d" % i for i in range(100)], "acks=%s" % level)


@scenario
def idempotent():
    if VERSION < (2, 2):
        raise Skip("no idempotent producer before 2.1")
    topic = create("idempotent")
    produce(topic, [b"%d" % i for i in range(1000)], enable_idempotence=True, linger_ms=1)
    equal([r.value for r in take(consumer(topic), 1000)], [b"%d" % i for i in range(1000)])


@scenario
def big():
    topic = create("big")
    value = bytes(range(256)) * 3900  # just below the default max.message.bytes of 1 MiB
    p = producer(max_request_size=8 << 20)
    for _ in range(5):
        p.send(topic, value).get(30)
    try:
        p.send(topic, b"x" * (2 << 20)).get(30)
        raise AssertionError("a record beyond max.message.bytes was accepted")
    except MessageSizeTooLargeError:
        pass
    p.close()
    c = consumer(topic, max_partition_fetch_bytes=1000)  # less than one record: it must come all the same
    assert all(r.value == value for r in take(c, 5)), "a big record came back changed"
    wide = create("big", max_message_bytes="4000000")
    produce(wide, [b"y" * (3 << 20)], max_request_size=8 << 20)
    equal(len(take(consumer(wide), 1)[0].value), 3 << 20)


@scenario
def empty():
    topic = create("empty", partitions=2)
    c = consumer(topic, consumer_timeout_ms=1000, group_id=fresh("g"))
    equal(list(c), [])
    equal(c.partitions_for_topic(topic), {0, 1})
    tps = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    equal(c.beginning_offsets(tps), {tp: 0 for tp in tps})
    equal(c.end_offsets(tps), {tp: 0 for tp in tps})
    equal([c.committed(tp) for tp in tps], [None, None])
    c.close()
    equal(c.config["group_id"] is None, False)


@scenario
def group():
    topic, name = create("group", partitions=4), fresh("g")
    options = dict(group_id=name, consumer_timeout_ms=200, session_timeout_ms=10000, heartbeat_interval_ms=500, max_poll_interval_ms=30000)
    stop, members, seen, lock = {}, {}, {}, threading.Lock()
    errors = []

    def member(who):
        try:
            c = members[who] = consumer(topic, **options)
            while not stop[who].is_set():
                for r in c:
                    with lock:
                        seen.setdefault(r.value, []).append(who)
            c.close()
        except Exception as e:  # reported below: a thread's exception is nobody's
            errors.append(e)

    def start(who):
        stop[who] = threading.Event()
        t = threading.Thread(target=member, args=(who,), daemon=True)
        t.start()
        return t

    def shares(*want):
        def check():
            if errors:
                raise errors[0]
            sizes = sorted(len(members[w].assignment()) for w in stop if not stop[w].is_set() and w in members)
            equal(sizes, sorted(want), "partitions per member")
        eventually(check, 45)

    def send(word):
        p = producer()
        for i in range(40):
            p.send(topic, b"%s-%d" % (word, i), partition=i % 4)
        p.flush(30)
        p.close()
        eventually(lambda: equal(len([v for v in seen if v.startswith(word)]), 40, "records seen"))
        return {w for v, ws in seen.items() if v.startswith(word) for w in ws}

    first = start("one")
    shares(4)
    second = start("two")
    shares(2, 2)
    equal(send(b"both"), {"one", "two"}, "who read")
    stop["one"].set()
    first.join(20)
    shares(4)
    equal(send(b"rest"), {"two"}, "who read after one left")
    stop["two"].set()
    second.join(20)


def committed_at(offset, metadata):
    if VERSION >= (2, 1):
        return OffsetAndMetadata(offset, metadata, -1)
    return OffsetAndMetadata(offset, metadata)


@scenario
def commit():
    topic, name = create("commit"), fresh("g")
    produce(topic, [b"%d" % i for i in range(10)])
    tp = TopicPartition(topic, 0)
    c = consumer(topic, group_id=name, enable_auto_commit=False)
    take(c, 4)
    c.commit({tp: committed_at(4, "note of mine")})
    equal(c.committed(tp), 4)
    if VERSION >= (2, 0):
        equal(c.committed(tp, metadata=True).metadata, "note of mine")
    c.close()
    c = consumer(topic, group_id=name, enable_auto_commit=False)
    equal([r.value for r in take(c, 3)], [b"4", b"5", b"6"])
    c.commit()  # the position
    done = threading.Event()
    c.commit_async({tp: committed_at(7, "")}, callback=lambda *_: done.set())
    eventually(lambda: (c.poll(timeout_ms=50), equal(done.is_set(), True, "commit_async called back")))
    c.close()
    c = consumer(topic, group_id=name, enable_auto_commit=True, auto_commit_interval_ms=100)
    equal([r.offset for r in take(c, 3)], [7, 8, 9])
    c.close()  # commits the position
    c = consumer(group_id=name)
    c.assign([tp])
    equal(c.committed(tp), 10, "committed by close")
    c.close()


@scenario
def seek():
    topic = create("seek")
    produce(topic, [b"%d" % i for i in range(20)], linger_ms=50)
    tp = TopicPartition(topic, 0)
    c = consumer()
    c.assign([tp])
    for offset in (13, 0, 19, 7):  # inside batches
        c.seek(tp, offset)
        equal(take(c, 1)[0].value, b"%d" % offset)
    c.seek_to_end(tp)
    equal(c.position(tp), 20)
    c.seek_to_beginning(tp)
    equal(c.position(tp), 0)
    c.seek(tp, 1000)  # out of range: auto_offset_reset decides
    equal(take(c, 1)[0].offset, 0)
    c.pause(tp)
    c.seek(tp, 5)
    equal(c.poll(timeout_ms=300), {})
    c.resume(tp)
    equal(take(c, 1)[0].offset, 5)
    c.close()


@scenario
def times():
    topic = create("times")
    for codec in (None, "gzip"):
        p = producer(compression_type=codec, linger_ms=50)
        base = 1600000000000 if codec is None else 1600000100000
        for i in range(10):
            p.send(topic, b"%d" % i, timestamp_ms=base + i * 1000)
        p.flush(30)
        p.close()
    tp = TopicPartition(topic, 0)
    c = consumer()
    c.assign([tp])

    def at(ms):
        found = c.offsets_for_times({tp: ms})[tp]
        return found and (found.offset, found.timestamp)

    equal(at(0), (0, 1600000000000))
    equal(at(1600000003000), (3, 1600000003000))
    equal(at(1600000003001), (4, 1600000004000))
    equal(at(1600000104500), (15, 1600000105000), "inside a compressed batch")
    equal(at(1700000000000), None, "after the last record")
    equal(c.beginning_offsets([tp]), {tp: 0})
    equal(c.end_offsets([tp]), {tp: 20})
    c.close()


@scenario
def lag():
    topic, name = create("lag"), fresh("g")
    produce(topic, [b"%d" % i for i in range(10)])
    tp = TopicPartition(topic, 0)
    c = consumer(topic, group_id=name, enable_auto_commit=False)
    take(c, 6)
    c.commit({tp: committed_at(6, "")})
    equal(c.end_offsets([tp])[tp] - c.committed(tp), 4, "lag")
    equal(c.highwater(tp), 10, "high watermark of the last fetch")
    a = admin()
    if hasattr(a, "list_consumer_group_offsets"):
        equal(a.list_consumer_group_offsets(name)[tp].offset, 6, "offset through the admin client")
    elif hasattr(a, "list_group_offsets"):
        equal(a.list_group_offsets(name)[name][tp].offset, 6, "offset through the admin client")
    a.close()
    c.close()


@scenario
def topics():
    a, name = admin(), fresh("topics")
    a.create_topics([NewTopic(name, 2, 1)])
    try:
        a.create_topics([NewTopic(name, 2, 1)])
        raise AssertionError("created twice")
    except TopicAlreadyExistsError:
        pass
    c = consumer()
    assert name in c.topics(), "not in the list"
    equal(c.partitions_for_topic(name), {0, 1})
    if VERSION >= (2, 0):
        assert name in a.list_topics(), "not in the admin client's list"
        d = a.describe_topics([name])[0]
        equal((d.get("topic") or d.get("name"), len(d["partitions"])), (name, 2))
        assert len(a.describe_cluster()["brokers"]) >= 1
    a.create_partitions({name: NewPartitions(5)})
    other = consumer()
    equal(other.partitions_for_topic(name), {0, 1, 2, 3, 4})
    for bad in (NewPartitions(3), NewPartitions(5)):
        try:
            a.create_partitions({name: bad})
            raise AssertionError("fewer or as many partitions were accepted")
        except KafkaError as e:
            equal(e.errno, 37, "error code")
    a.delete_topics([name])
    eventually(lambda: equal(name in consumer().topics(), False, "still listed after delete"))
    for x in (a, c, other):
        x.close()


@scenario
def configs():
    name, a = create("configs", retention_ms="1234567"), admin()

    def read():
        options = {"config_filter": "all"} if VERSION >= (3, 0) else {}
        return config_map(a.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)], **options))

    got = read()
    equal((got["retention.ms"], got["cleanup.policy"], got["max.message.bytes"]), ("1234567", "delete", "1048588"))
    a.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs={"retention.ms": "7654321", "segment.bytes": "10485760"})])
    eventually(lambda: equal((read()["retention.ms"], read()["segment.bytes"]), ("7654321", "10485760")))
    try:
        answer = a.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs={"retention.ms": "soon"})])
        assert "Invalid value soon for configuration retention.ms" in str(answer), answer
    except KafkaError as e:
        equal(e.errno, 40, "error code")
    a.close()


def config_map(answer):
    """The values in what describe_configs answers: a response (1.4), a list of them (2.x), a dict (3.x)."""
    if isinstance(answer, dict):
        (resource,) = answer["topic"].values()
        return {name: entry["value"] for name, entry in resource.items()}
    response = answer[0] if isinstance(answer, list) else answer
    error, message, _, _, entries = response.resources[0][:5]
    equal(error, 0, message)
    return {entry[0]: entry[1] for entry in entries}


@scenario
def groups():
    topic, name, a = create("groups"), fresh("g"), admin()
    produce(topic, [b"x"])
    c = consumer(topic, group_id=name, client_id="compat-member")
    take(c, 1)
    c.commit()
    if VERSION < (2, 0):
        lister = lambda: [g[0] for g in a.list_consumer_groups()]
    else:
        lister = lambda: [group_id(g) for g in (a.list_consumer_groups if hasattr(a, "list_consumer_groups") else a.list_groups)()]
    assert name in lister(), "not in the list of groups"
    if VERSION >= (2, 0):
        d = (a.describe_consumer_groups if hasattr(a, "describe_consumer_groups") else a.describe_groups)([name])
        d = d[0] if isinstance(d, list) else d[name]
        field = (lambda k, alt=None: d.get(k, d.get(alt))) if isinstance(d, dict) else (lambda k, alt=None: getattr(d, k, None))
        equal((field("state", "group_state"), len(field("members"))), ("Stable", 1))
        c.close()
        delete = a.delete_consumer_groups if hasattr(a, "delete_consumer_groups") else a.delete_groups
        delete([name])
        equal(name in lister(), False, "still listed after delete")
    a.close()


def group_id(g):
    return g[0] if isinstance(g, tuple) else g.get("group_id", g.get("group")) if isinstance(g, dict) else g.group_id


@scenario
def pattern():
    word = fresh("pattern")
    p = producer()
    p.send(word + "-a", b"a").get(30)
    c = consumer(group_id=fresh("g"), metadata_max_age_ms=1000, consumer_timeout_ms=20000)
    c.subscribe(pattern="^" + word + "-.*")
    equal(take(c, 1)[0].value, b"a")
    p.send(word + "-b", b"b").get(30)  # a topic that comes later is joined by itself
    equal(take(c, 1)[0].value, b"b")
    p.close()
    c.close()


@scenario
def transactions():
    if VERSION < (2, 3):
        raise Skip("kafka-python %s has no transactions" % kafka.__version__)
    source, out, name = create("txn-in"), create("txn-out"), fresh("txn")
    produce(source, [b"%d" % i for i in range(40)])
    tp = TopicPartition(source, 0)
    p = producer(transactional_id=name, transaction_timeout_ms=20000)
    p.init_transactions()
    c = consumer(group_id=name, enable_auto_commit=False, isolation_level="read_committed")
    c.subscribe([source])
    copied, rounds = 0, 0
    while copied < 40:
        records = take(c, 5)
        p.begin_transaction()
        for r in records:
            p.send(out, r.value, partition=0)
        p.send_offsets_to_transaction({tp: committed_at(records[-1].offset + 1, "")}, c.group_metadata() if hasattr(c, "group_metadata") else name)
        rounds += 1
        if VERSION < (3, 0):
            p.flush(20)  # it hangs in an abort with records that are not sent yet, whatever the broker
        if rounds % 3 == 2:
            p.abort_transaction()
            c.seek(tp, records[0].offset)
        else:
            p.commit_transaction()
            copied += 5
            c.seek(tp, records[-1].offset + 1)
    eventually(lambda: equal(c.committed(tp), 40, "committed offset"))
    c.close()
    r = consumer(isolation_level="read_committed", consumer_timeout_ms=8000)
    r.assign([TopicPartition(out, 0)])
    r.seek_to_beginning()
    equal([m.value for m in r], [b"%d" % i for i in range(40)], "copied")
    r.close()
    # A second producer of the same id aborts what the first has left open, and fences it.
    p.begin_transaction()
    p.send(out, b"lost", partition=0).get(20)
    second = producer(transactional_id=name)
    second.init_transactions()
    second.begin_transaction()
    second.send(out, b"kept", partition=0)
    second.commit_transaction()
    try:
        p.commit_transaction()
        raise AssertionError("the fenced producer could commit")
    except KafkaError:
        pass
    r = consumer(isolation_level="read_committed", consumer_timeout_ms=8000)
    r.assign([TopicPartition(out, 0)])
    r.seek_to_beginning()
    equal([m.value for m in r][40:], [b"kept"])
    r.close()
    second.close()


main()
