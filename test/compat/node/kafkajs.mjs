// kafkajs: every call of its public interface a service uses. It takes the highest version of each API that it and the broker know,
// none newer than Kafka 2.4; of the codecs only gzip is built in.
import { createRequire } from 'node:module'
import { equal, eventually, fresh, main, rejects, scenario } from './harness.mjs'

// From where the runner installed it, which is not the folder of this file.
const { AclResourceTypes, CompressionTypes, ConfigResourceTypes, ConfigSource, Kafka, logLevel } = createRequire(process.env.COMPAT_NODE + '/x.js')('kafkajs')

const kafka = new Kafka({ clientId: 'compat', brokers: [process.argv[2]], logLevel: logLevel.NOTHING, retry: { retries: 8 } })

async function using (client, fn) {
  await client.connect()
  try { return await fn(client) } finally { await client.disconnect() }
}

const admin = fn => using(kafka.admin(), fn)

async function create (word, numPartitions = 1, configEntries = []) {
  const topic = fresh(word)
  await admin(a => a.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }] }))
  return topic
}

const produce = (topic, values, { partition = 0, options = {}, ...send } = {}) =>
  using(kafka.producer(options), p => p.send({ topic, messages: values.map(value => ({ value, partition })), ...send }))

// A running consumer that keeps what it reads.
async function reader (topic, options = {}, run = {}) {
  const c = kafka.consumer({ groupId: fresh('g'), sessionTimeout: 10000, heartbeatInterval: 300, rebalanceTimeout: 15000, maxWaitTimeInMs: 200, ...options })
  const got = []
  let assigned = {}
  c.on(c.events.GROUP_JOIN, e => { assigned = e.payload.memberAssignment })
  await c.connect()
  await c.subscribe(topic instanceof RegExp ? { topic, fromBeginning: true } : { topics: [topic], fromBeginning: true })
  await c.run({ ...run, eachMessage: async ({ topic, partition, message }) => { got.push({ topic, partition, ...message }) } })
  return { c, got, assignment: () => (assigned[topic] ?? []).length, read: n => eventually(() => { equal(got.length >= n, true, `${got.length} of ${n} records`) }) }
}

const text = messages => messages.map(m => m.value && m.value.toString())
const numbers = n => [...Array(n).keys()].map(String)

scenario(async function tutorial () {
  const topic = fresh('tutorial') // not created: sending to it does
  await using(kafka.producer(), p => p.send({ topic, messages: numbers(10).map(value => ({ value })) }))
  const r = await reader(topic)
  await r.read(10)
  equal(r.got.map(m => [m.topic, m.partition, m.offset, m.value.toString()]), numbers(10).map(n => [topic, 0, n, n]))
  await r.c.disconnect()
})

scenario(async function records () {
  const topic = await create('records', 3)
  const messages = numbers(300).map(n => ({
    key: `key-${n % 30}`, value: `value-${n}`, timestamp: String(1600000000000 + Number(n)), headers: { a: ['1', `again-${n}`], empty: '' }
  }))
  messages.push({ key: 'gone', value: null, partition: 2 })
  await using(kafka.producer(), p => p.send({ topic, messages }))
  const r = await reader(topic)
  await r.read(301)
  for (const want of messages.slice(0, 300)) {
    const m = r.got.find(m => m.value && m.value.toString() === want.value)
    equal([m.key.toString(), m.timestamp, m.headers.a.map(String), m.headers.empty.toString()], [want.key, want.timestamp, want.headers.a, ''])
  }
  const gone = r.got.filter(m => m.value === null)
  equal(gone.map(m => [m.partition, m.key.toString()]), [[2, 'gone']])
  await r.c.disconnect()
})

scenario(async function codecs () {
  const topic = await create('codecs')
  const want = []
  for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
    const values = numbers(200).map(n => `${compression}-${n}-` + 'squeeze me '.repeat(20))
    await produce(topic, values, { compression })
    want.push(...values)
  }
  const r = await reader(topic)
  await r.read(want.length)
  equal(text(r.got), want)
  await r.c.disconnect()
})

scenario(async function acks () {
  for (const level of [0, 1, -1]) {
    const topic = await create('acks')
    await produce(topic, numbers(100), { acks: level })
    const r = await reader(topic)
    await r.read(100)
    equal(text(r.got), numbers(100), `acks=${level}`)
    await r.c.disconnect()
  }
})

scenario(async function idempotent () {
  const topic = await create('idempotent')
  await using(kafka.producer({ idempotent: true, maxInFlightRequests: 1 }), async p => {
    for (const value of numbers(200)) await p.send({ topic, messages: [{ value }] })
  })
  const r = await reader(topic)
  await r.read(200)
  equal(text(r.got), numbers(200))
  await r.c.disconnect()
})

scenario(async function big () {
  const topic = await create('big')
  const value = Buffer.alloc(998400, 'abcdefg')
  for (let i = 0; i < 5; i++) await produce(topic, [value])
  await rejects(produce(topic, [Buffer.alloc(2 << 20)], { options: { retry: { retries: 0 } } }), 'MESSAGE_TOO_LARGE')
  const r = await reader(topic, { maxBytesPerPartition: 1000 })
  await r.read(5)
  equal(r.got.every(m => m.value.equals(value)), true, 'a big record came back changed')
  await r.c.disconnect()
})

scenario(async function empty () {
  const topic = await create('empty', 2)
  const r = await reader(topic)
  await eventually(() => equal(r.assignment(), 2))
  await new Promise(resolve => setTimeout(resolve, 600))
  equal(r.got, [])
  await r.c.disconnect()
  const offsets = await admin(a => a.fetchTopicOffsets(topic))
  equal(offsets.map(o => [o.low, o.high]), [['0', '0'], ['0', '0']])
})

scenario(async function group () {
  const topic = await create('group', 4)
  const groupId = fresh('g')
  const a = await reader(topic, { groupId })
  await eventually(() => equal(a.assignment(), 4))
  const b = await reader(topic, { groupId })
  await eventually(() => equal([a.assignment(), b.assignment()], [2, 2]))
  for (let partition = 0; partition < 4; partition++) await produce(topic, numbers(10), { partition })
  await Promise.all([a.read(20), b.read(20)])
  await a.c.disconnect()
  await eventually(() => equal(b.assignment(), 4))
  for (let partition = 0; partition < 4; partition++) await produce(topic, ['more'], { partition })
  await eventually(() => equal(text(b.got).filter(v => v === 'more').length, 4))
  await b.c.disconnect()
})

scenario(async function commit () {
  const topic = await create('commit')
  const groupId = fresh('g')
  await produce(topic, numbers(10))
  let r = await reader(topic, { groupId }, { autoCommit: false })
  await r.read(4)
  await r.c.commitOffsets([{ topic, partition: 0, offset: '4', metadata: 'note of mine' }])
  await r.c.disconnect()
  const [at] = await admin(a => a.fetchOffsets({ groupId, topics: [topic] }))
  equal(at.partitions, [{ partition: 0, offset: '4', metadata: 'note of mine' }])
  r = await reader(topic, { groupId })
  await r.read(6)
  equal(r.got.map(m => m.offset), ['4', '5', '6', '7', '8', '9'])
  await r.c.disconnect() // commits
  const [end] = await admin(a => a.fetchOffsets({ groupId, topics: [topic] }))
  equal(end.partitions[0].offset, '10', 'committed by disconnect')
})

scenario(async function seek () {
  const topic = await create('seek')
  await produce(topic, numbers(20))
  const r = await reader(topic)
  await r.read(20)
  for (const offset of ['13', '0', '19', '7']) {
    r.got.length = 0
    r.c.seek({ topic, partition: 0, offset })
    await r.read(1)
    await eventually(() => equal(r.got.some(m => m.offset === offset), true))
  }
  r.c.pause([{ topic }])
  await new Promise(resolve => setTimeout(resolve, 500))
  r.got.length = 0
  await produce(topic, ['late'])
  await new Promise(resolve => setTimeout(resolve, 500))
  equal(r.got, [], 'while paused')
  r.c.resume([{ topic }])
  await r.read(1)
  await r.c.disconnect()
})

scenario(async function times () {
  const topic = await create('times')
  for (const [compression, base] of [[CompressionTypes.None, 1600000000000], [CompressionTypes.GZIP, 1600000100000]]) {
    const messages = numbers(10).map(n => ({ value: n, timestamp: String(base + n * 1000) }))
    await using(kafka.producer(), p => p.send({ topic, messages, compression }))
  }
  await admin(async a => {
    const at = async ms => (await a.fetchTopicOffsetsByTimestamp(topic, ms)).map(o => o.offset)
    equal([await at(0), await at(1600000003001), await at(1600000104500), await at(1700000000000)], [['0'], ['4'], ['15'], ['20']])
    equal(await a.fetchTopicOffsets(topic), [{ partition: 0, offset: '20', high: '20', low: '0' }])
  })
})

scenario(async function lag () {
  const topic = await create('lag')
  const groupId = fresh('g')
  await produce(topic, numbers(10))
  await admin(async a => {
    await a.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '6' }] })
    const [{ partitions: [{ offset }] }] = await a.fetchOffsets({ groupId, topics: [topic] })
    const [{ high }] = await a.fetchTopicOffsets(topic)
    equal(high - offset, 4)
    await a.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '7' }] })
    equal((await a.fetchTopicOffsets(topic))[0].low, '7', 'after deleteTopicRecords')
  })
})

scenario(async function topics () {
  const topic = fresh('topics')
  await admin(async a => {
    const wanted = { topics: [{ topic, numPartitions: 2, replicationFactor: 1 }] }
    equal([await a.createTopics(wanted), await a.createTopics(wanted)], [true, false], 'created')
    equal((await a.listTopics()).includes(topic), true, 'not in the list')
    const { topics: [t] } = await a.fetchTopicMetadata({ topics: [topic] })
    equal(t.partitions.map(p => p.leader === p.replicas[0] && p.isr.length === 1), [true, true])
    await a.createPartitions({ topicPartitions: [{ topic, count: 5 }] })
    await eventually(async () => equal((await a.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length, 5))
    await a.deleteTopics({ topics: [topic] })
    await eventually(async () => equal((await a.listTopics()).includes(topic), false, 'still listed after delete'))
    const cluster = await a.describeCluster()
    equal([cluster.brokers.length, typeof cluster.clusterId], [1, 'string'])
  })
})

scenario(async function configs () {
  const name = await create('configs', 1, [{ name: 'retention.ms', value: '1234567' }])
  const resource = { type: ConfigResourceTypes.TOPIC, name }
  await admin(async a => {
    const read = async () => {
      const { resources: [{ configEntries }] } = await a.describeConfigs({ includeSynonyms: true, resources: [resource] })
      return Object.fromEntries(configEntries.map(e => [e.configName, e]))
    }
    const got = await read()
    equal([got['retention.ms'].configValue, got['retention.ms'].configSource], ['1234567', ConfigSource.TOPIC_CONFIG])
    equal([got['cleanup.policy'].configValue, got['cleanup.policy'].configSource], ['delete', ConfigSource.DEFAULT_CONFIG])
    await a.alterConfigs({ resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '7654321' }] }] })
    await eventually(async () => equal((await read())['retention.ms'].configValue, '7654321'))
    await rejects(a.alterConfigs({ resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: 'soon' }] }] }), 'INVALID_CONFIG')
  })
})

scenario(async function groups () {
  const topic = await create('groups')
  const groupId = fresh('g')
  await produce(topic, ['x'])
  const r = await reader(topic, { groupId })
  await r.read(1)
  await admin(async a => {
    equal((await a.listGroups()).groups.some(g => g.groupId === groupId && g.protocolType === 'consumer'), true, 'not in the list')
    const { groups: [g] } = await a.describeGroups([groupId])
    equal([g.errorCode, g.state, g.protocol, g.members.map(m => m.clientId)], [0, 'Stable', 'RoundRobinAssigner', ['compat']])
    await rejects(a.deleteGroups([groupId]), 'NON_EMPTY_GROUP')
    await r.c.disconnect()
    await a.deleteGroups([groupId])
    equal((await a.listGroups()).groups.some(g => g.groupId === groupId), false, 'still listed after delete')
  })
})

scenario(async function pattern () {
  const word = fresh('pattern')
  await produce(word + '-a', ['a'])
  await produce(word + '-b', ['b'])
  const r = await reader(new RegExp(`^${word}-.*`))
  await r.read(2)
  equal(text(r.got).sort(), ['a', 'b'])
  await r.c.disconnect()
})

scenario(async function transactions () {
  const [source, out, name] = [await create('txn-in'), await create('txn-out'), fresh('txn')]
  await produce(source, numbers(40))
  const producer = transactionalId => kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1, transactionTimeout: 20000 })
  const committed = async () => (await admin(a => a.fetchOffsets({ groupId: name, topics: [source] })))[0].partitions[0].offset
  // Each transaction copies the five records that follow the committed offset. The third, sixth… is aborted, and so made again.
  await using(producer(name), async p => {
    for (let round = 0, at = 0; at < 40; round++) {
      const t = await p.transaction()
      await t.send({ topic: out, messages: numbers(40).slice(at, at + 5).map(value => ({ value, partition: 0 })) })
      await t.sendOffsets({ consumerGroupId: name, topics: [{ topic: source, partitions: [{ partition: 0, offset: String(at + 5) }] }] })
      if (round % 3 === 2) await t.abort()
      else { await t.commit(); at += 5 }
      await eventually(async () => equal(await committed(), String(at), 'committed offset'))
    }
  })
  const copies = async n => { // kafkajs reads committed by default
    const r = await reader(out)
    await r.read(n)
    await new Promise(resolve => setTimeout(resolve, 500))
    await r.c.disconnect()
    return text(r.got)
  }
  equal(await copies(40), numbers(40), 'copied')
  await using(producer(name), async first => {
    const open = await first.transaction()
    await open.send({ topic: out, messages: [{ value: 'lost', partition: 0 }] })
    await using(producer(name), async second => {
      const t = await second.transaction()
      await t.send({ topic: out, messages: [{ value: 'kept', partition: 0 }] })
      await rejects(open.commit(), 'INVALID_PRODUCER_EPOCH')
      await t.commit()
    })
  })
  equal(await copies(41), [...numbers(40), 'kept'], 'after a zombie')
})

await main()
