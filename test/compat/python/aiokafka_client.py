"""aiokafka: the same calls from an event loop, with a protocol layer of its own."""
import asyncio
import inspect
import sys
import time

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

import harness
from harness import equal, fresh, main

BROKER = sys.argv[1]


def scenario(fn):
    def call():
        asyncio.run(fn())
    call.__name__ = fn.__name__
    return harness.scenario(call)


async def eventually(check, seconds=30):
    end = time.time() + seconds
    while True:
        try:
            got = check()
            return await got if inspect.isawaitable(got) else got
        except AssertionError:
            if time.time() > end:
                raise
        await asyncio.sleep(0.1)


def producer(**options):
    return AIOKafkaProducer(bootstrap_servers=BROKER, **options)


def consumer(*topics, **options):
    options.setdefault("auto_offset_reset", "earliest")
    return AIOKafkaConsumer(*topics, bootstrap_servers=BROKER, **options)


def admin():
    return AIOKafkaAdminClient(bootstrap_servers=BROKER)


async def create(word, partitions=1, **configs):
    name = fresh(word)
    async with using(admin()) as a:
        await a.create_topics([NewTopic(name, partitions, 1, topic_configs={k.replace("_", "."): v for k, v in configs.items()})])
    return name


class using:
    """async with: starts and stops a client of any kind."""

    def __init__(self, client):
        self.client = client

    async def __aenter__(self):
        await self.client.start()
        return self.client

    async def __aexit__(self, *_):
        await (self.client.close if hasattr(self.client, "close") else self.client.stop)()


async def produce(topic, values, partition=0, **options):
    async with using(producer(**options)) as p:
        sent = [await p.send(topic, v, partition=partition) for v in values]
        return [await f for f in sent]


async def take(c, n, seconds=20):
    return [await asyncio.wait_for(c.getone(), seconds) for _ in range(n)]


@scenario
async def tutorial():
    topic = fresh("tutorial")  # not created: sending to it does
    async with using(producer()) as p:
        for i in range(10):
            await p.send_and_wait(topic, b"message %d" % i)
    got = []
    async with using(consumer(topic, group_id=fresh("g"))) as c:
        async for m in c:
            got.append((m.topic, m.partition, m.offset, m.value))
            if len(got) == 10:
                break
    equal(got, [(topic, 0, i, b"message %d" % i) for i in range(10)])


@scenario
async def records():
    topic, sent = await create("records", partitions=3), {}
    async with using(producer(linger_ms=5)) as p:
        for i in range(300):
            headers = [("a", b"1"), ("empty", b""), ("a", b"again-%d" % i)]
            f = await p.send(topic, b"value-%d" % i, b"key-%d" % (i % 30), headers=headers, timestamp_ms=1600000000000 + i)
            sent[b"value-%d" % i] = (f, b"key-%d" % (i % 30), headers, 1600000000000 + i)
        await p.send_and_wait(topic, None, b"gone", partition=2)
        await p.flush()
    async with using(consumer(topic)) as c:
        got = {m.value: m for m in await take(c, 301)}
    for value, (future, key, headers, ts) in sent.items():
        r, m = got[value], future.result()
        equal((r.partition, r.offset, r.key, list(r.headers), r.timestamp, r.timestamp_type), (m.partition, m.offset, key, headers, ts, 0))
    equal((got[None].partition, got[None].key), (2, b"gone"), "tombstone")


@scenario
async def codecs():
    topic, want = await create("codecs"), []
    for codec in (None, "gzip", "snappy", "lz4", "zstd"):
        values = [b"%s-%d-" % (str(codec).encode(), i) + b"squeeze me " * 20 for i in range(200)]
        await produce(topic, values, compression_type=codec, linger_ms=20)
        want += values
    async with using(consumer(topic, check_crcs=True)) as c:
        equal([m.value for m in await take(c, len(want))], want)


@scenario
async def acks():
    for level in (0, 1, "all"):
        topic = await create("acks")
        await produce(topic, [b"%d" % i for i in range(100)], acks=level)
        async with using(consumer(topic)) as c:
            equal([m.value for m in await take(c, 100)], [b"%d" % i for i in range(100)], "acks=%s" % level)


@scenario
async def idempotent():
    topic = await create("idempotent")
    sent = await produce(topic, [b"%d" % i for i in range(1000)], enable_idempotence=True, linger_ms=1)
    equal([m.offset for m in sent], list(range(1000)))


@scenario
async def big():
    topic, value = await create("big"), bytes(range(256)) * 3900
    await produce(topic, [value] * 5, max_request_size=8 << 20)
    try:
        await produce(topic, [b"x" * (2 << 20)], max_request_size=8 << 20)
        raise AssertionError("a record beyond max.message.bytes was accepted")
    except MessageSizeTooLargeError:
        pass
    async with using(consumer(topic, max_partition_fetch_bytes=1000)) as c:
        assert all(m.value == value for m in await take(c, 5)), "a big record came back changed"


@scenario
async def empty():
    topic = await create("empty", partitions=2)
    tps = [TopicPartition(topic, 0), TopicPartition(topic, 1)]
    async with using(consumer(topic, group_id=fresh("g"))) as c:
        equal(await c.getmany(timeout_ms=1000), {})
        equal(await c.beginning_offsets(tps), {tp: 0 for tp in tps})
        equal(await c.end_offsets(tps), {tp: 0 for tp in tps})
        equal([await c.committed(tp) for tp in tps], [None, None])


@scenario
async def group():
    topic, name = await create("group", partitions=4), fresh("g")
    options = dict(group_id=name, session_timeout_ms=10000, heartbeat_interval_ms=300)
    a, b = consumer(topic, **options), consumer(topic, **options)
    await a.start()
    await eventually(lambda: equal(len(a.assignment()), 4))
    await b.start()
    await eventually(lambda: equal((len(a.assignment()), len(b.assignment())), (2, 2)))
    for partition in range(4):
        await produce(topic, [b"%d" % i for i in range(10)], partition=partition)
    equal({m.partition for m in await take(a, 20) + await take(b, 20)}, {0, 1, 2, 3})
    await a.commit()
    await b.commit()
    await a.stop()
    await eventually(lambda: equal(len(b.assignment()), 4))
    for partition in range(4):
        await produce(topic, [b"more"], partition=partition)
    equal([m.value for m in await take(b, 4)], [b"more"] * 4)
    await b.stop()


@scenario
async def commit():
    topic, name = await create("commit"), fresh("g")
    await produce(topic, [b"%d" % i for i in range(10)])
    tp = TopicPartition(topic, 0)
    async with using(consumer(topic, group_id=name, enable_auto_commit=False)) as c:
        await take(c, 4)
        await c.commit({tp: (4, "note of mine")})
        equal(await c.committed(tp), 4)
    async with using(consumer(topic, group_id=name, enable_auto_commit=False)) as c:
        equal([m.value for m in await take(c, 3)], [b"4", b"5", b"6"])
        await c.commit()
    async with using(consumer(topic, group_id=name, enable_auto_commit=True, auto_commit_interval_ms=100)) as c:
        equal([m.offset for m in await take(c, 3)], [7, 8, 9])
    async with using(consumer(topic, group_id=name)) as c:
        equal(await c.committed(tp), 10, "committed by stop")


@scenario
async def seek():
    topic = await create("seek")
    await produce(topic, [b"%d" % i for i in range(20)], linger_ms=50)
    tp = TopicPartition(topic, 0)
    async with using(consumer()) as c:
        c.assign([tp])
        for offset in (13, 0, 19, 7):
            c.seek(tp, offset)
            equal((await take(c, 1))[0].value, b"%d" % offset)
        await c.seek_to_end(tp)
        equal(await c.position(tp), 20)
        await c.seek_to_beginning(tp)
        equal(await c.position(tp), 0)
        c.seek(tp, 1000)
        equal((await take(c, 1))[0].offset, 0, "out of range: auto_offset_reset decides")


@scenario
async def times():
    topic = await create("times")
    for codec, base in ((None, 1600000000000), ("gzip", 1600000100000)):
        async with using(producer(compression_type=codec, linger_ms=50)) as p:
            for i in range(10):
                await p.send(topic, b"%d" % i, timestamp_ms=base + i * 1000)
            await p.flush()
    tp = TopicPartition(topic, 0)
    async with using(consumer()) as c:
        c.assign([tp])

        async def at(ms):
            found = (await c.offsets_for_times({tp: ms}))[tp]
            return found and (found.offset, found.timestamp)

        equal([await at(ms) for ms in (0, 1600000003001, 1600000104500, 1700000000000)],
              [(0, 1600000000000), (4, 1600000004000), (15, 1600000105000), None])
        equal((await c.beginning_offsets([tp]), await c.end_offsets([tp])), ({tp: 0}, {tp: 20}))


@scenario
async def lag():
    topic, name = await create("lag"), fresh("g")
    await produce(topic, [b"%d" % i for i in range(10)])
    tp = TopicPartition(topic, 0)
    async with using(consumer(topic, group_id=name, enable_auto_commit=False)) as c:
        await take(c, 6)
        await c.commit({tp: 6})
        equal((await c.end_offsets([tp]))[tp] - await c.committed(tp), 4, "lag")
        equal(c.highwater(tp), 10, "high watermark of the last fetch")
        async with using(admin()) as a:
            equal((await a.list_consumer_group_offsets(name))[tp].offset, 6)


@scenario
async def topics():
    name = fresh("topics")
    async with using(admin()) as a:
        first = await a.create_topics([NewTopic(name, 2, 1)])
        again = await a.create_topics([NewTopic(name, 2, 1)])
        equal([r.topic_errors[0][1] for r in (first, again)], [0, 36], "error codes")
        assert name in await a.list_topics(), "not in the list"
        d = (await a.describe_topics([name]))[0]
        equal((d["topic"], len(d["partitions"])), (name, 2))
        await a.create_partitions({name: NewPartitions(5)})

        async def partitions():
            equal(len((await a.describe_topics([name]))[0]["partitions"]), 5)
        await eventually(partitions)
        await a.delete_topics([name])

        async def gone():
            equal(name in await a.list_topics(), False, "still listed after delete")
        await eventually(gone)


@scenario
async def configs():
    name = await create("configs", retention_ms="1234567")
    async with using(admin()) as a:

        async def read():
            (answer,) = await a.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
            return {e[0]: e[1] for e in answer.resources[0][4]}

        got = await read()
        equal((got["retention.ms"], got["cleanup.policy"]), ("1234567", "delete"))
        await a.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs={"retention.ms": "7654321"})])

        async def altered():
            equal((await read())["retention.ms"], "7654321")
        await eventually(altered)


@scenario
async def groups():
    topic, name = await create("groups"), fresh("g")
    await produce(topic, [b"x"])
    async with using(admin()) as a:
        async with using(consumer(topic, group_id=name)) as c:
            await take(c, 1)
            await c.commit()
            assert name in [g[0] for g in await a.list_consumer_groups()], "not in the list"
            (answer,) = await a.describe_consumer_groups([name])
            error, group_id, state, protocol_type, _, members = answer.groups[0][:6]
            equal((error, group_id, state, protocol_type, len(members)), (0, name, "Stable", "consumer", 1))
        equal([(g, e.errno if hasattr(e, "errno") else e) for g, e in await a.delete_consumer_groups([name])]
              if hasattr(a, "delete_consumer_groups") else [(name, 0)], [(name, 0)])


@scenario
async def pattern():
    word = fresh("pattern")
    await produce(word + "-a", [b"a"])
    c = consumer(group_id=fresh("g"), metadata_max_age_ms=1000)
    c.subscribe(pattern="^" + word + "-.*")
    async with using(c):
        equal((await take(c, 1))[0].value, b"a")
        await produce(word + "-b", [b"b"])
        equal((await take(c, 1))[0].value, b"b")


@scenario
async def transactions():
    source, out, name = await create("txn-in"), await create("txn-out"), fresh("txn")
    await produce(source, [b"%d" % i for i in range(40)])
    tp = TopicPartition(source, 0)
    p = producer(transactional_id=name, transaction_timeout_ms=20000)
    await p.start()
    async with using(consumer(source, group_id=name, enable_auto_commit=False, isolation_level="read_committed")) as c:
        copied, rounds = 0, 0
        while copied < 40:
            records = await take(c, 5)
            await p.begin_transaction()
            for r in records:
                await p.send(out, r.value, partition=0)
            await p.send_offsets_to_transaction({tp: records[-1].offset + 1}, name)
            rounds += 1
            if rounds % 3 == 2:
                await p.abort_transaction()
                c.seek(tp, records[0].offset)
            else:
                await p.commit_transaction()
                copied += 5

        async def committed():
            equal(await c.committed(tp), 40, "committed offset")
        await eventually(committed)

    async def copies(n):
        async with using(consumer(isolation_level="read_committed")) as r:
            r.assign([TopicPartition(out, 0)])
            await r.seek_to_beginning()
            got = [m.value for m in await take(r, n)]
            try:
                got.append(await asyncio.wait_for(r.getone(), 1))
            except asyncio.TimeoutError:
                pass
            return got
    want = [b"%d" % i for i in range(40)]
    equal(await copies(40), want, "copied")
    # A second producer of the same id aborts what the first has left open, and fences it.
    await p.begin_transaction()
    await p.send_and_wait(out, b"lost", partition=0)
    async with using(producer(transactional_id=name)) as second:
        async with second.transaction():
            await second.send(out, b"kept", partition=0)
    try:
        await p.commit_transaction()
        raise AssertionError("the fenced producer could commit")
    except KafkaError:
        pass
    equal(await copies(41), want + [b"kept"])


main()
