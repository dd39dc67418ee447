'use strict';

// Run in a folder where the packages and kafkajs are installed: make compat RUN=npm.
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { spawn, spawnSync, execFileSync } = require('node:child_process');
const { once } = require('node:events');
const { Kafka, logLevel } = require('kafkajs');
const { startBroker, binary } = require('gokafka');

async function start(t, options) {
  const broker = await startBroker(options);
  t.after(() => broker.stop());
  return broker;
}

const connects = (address) => new Promise((resolve) => {
  const [host, port] = address.split(':');
  const socket = net.connect({ host, port: Number(port) }, () => { socket.destroy(); resolve(true); });
  socket.on('error', () => resolve(false));
});

function gone(pid) {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

async function eventually(condition) {
  for (const end = Date.now() + 20000; !condition();) {
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

test('topics, and a record there and back', async (t) => {
  const broker = await startBroker({ topics: { orders: 3, events: 1 }, autoCreate: false });
  const clients = [];
  t.after(async () => { // kafkajs would look for a broker that is gone for ever
    for (const client of clients) await client.disconnect();
    await broker.stop();
  });
  const kafka = new Kafka({ brokers: broker.brokers, logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  clients.push(admin);
  assert.deepEqual((await admin.listTopics()).sort(), ['events', 'orders']);
  assert.equal((await admin.fetchTopicOffsets('orders')).length, 3);

  const producer = kafka.producer();
  await producer.connect();
  clients.push(producer);
  await producer.send({ topic: 'orders', messages: [{ value: 'two coffees' }] });
  const consumer = kafka.consumer({ groupId: 'readers' });
  await consumer.connect();
  clients.push(consumer);
  await consumer.subscribe({ topic: 'orders', fromBeginning: true });
  const value = await new Promise((resolve) => {
    consumer.run({ eachMessage: async ({ message }) => resolve(message.value.toString()) });
  });
  assert.equal(value, 'two coffees');
});

test('several at once', async (t) => {
  const brokers = await Promise.all([1, 2, 3, 4].map(() => start(t, { topics: ['t'] })));
  assert.equal(new Set(brokers.map((b) => b.bootstrap)).size, 4);
  assert.equal(new Set(brokers.map((b) => b.clusterId)).size, 4);
});

test('stop, and the folder', async (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gokafka-npm-'));
  t.after(() => fs.rmSync(dir, { recursive: true }));
  const broker = await startBroker({ dir, topics: ['kept'] });
  const { bootstrap, pid } = broker;
  assert.ok(await connects(bootstrap));
  await broker.stop();
  await broker.stop();
  assert.ok(gone(pid) && !(await connects(bootstrap)));
  assert.throws(() => broker.bootstrap, /does not run/);
  assert.ok(fs.existsSync(path.join(dir, 'kept-0')));
});

test('mistakes are told', async () => {
  await assert.rejects(startBroker({ properties: { 'num.partitions': 'many' } }), /ended with status 1:[^]*num.partitions: "many" is not an integer/);
  await assert.rejects(startBroker({ topics: ['a b'] }), /a b/);
});

test('the environment is about another broker', async (t) => {
  process.env.KAFKA_LISTENERS = 'PLAINTEXT://192.0.2.1:9092';
  t.after(() => delete process.env.KAFKA_LISTENERS);
  assert.match((await start(t)).bootstrap, /^127\.0\.0\.1:\d+$/);
});

test('the broker goes with its process', { skip: process.platform === 'win32' }, async () => {
  const script = "require('gokafka').startBroker().then((b) => { console.log(b.pid); setInterval(() => {}, 1000); })";
  const parent = spawn(process.execPath, ['-e', script], { cwd: process.cwd(), stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = Number(String((await once(parent.stdout, 'data'))[0]));
  assert.ok(!gone(pid));
  parent.kill('SIGKILL');
  assert.ok(await eventually(() => gone(pid)));
});

test('a broker that is forgotten does not keep its process', () => {
  const script = "require('gokafka').startBroker().then((b) => console.log(b.pid))";
  const pid = Number(execFileSync(process.execPath, ['-e', script], { timeout: 20000 }));
  return eventually(() => gone(pid)).then(assert.ok);
});

test('the command', () => {
  const command = path.join(process.cwd(), 'node_modules', '.bin', 'gokafka');
  assert.match(execFileSync(command, ['version'], { encoding: 'utf8' }), /^gokafka /);
  assert.equal(spawnSync(command, ['bogus']).status, 2);
  assert.ok(fs.existsSync(binary()));
});
