'use strict';

const { spawn, execFile } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** The path of the gokafka binary: the one that the variable GOKAFKA_BINARY names, or that of the package for this platform. */
function binary() {
  if (process.env.GOKAFKA_BINARY) return process.env.GOKAFKA_BINARY;
  const name = `@gokafka/cli-${process.platform}-${process.arch}`;
  try {
    return require.resolve(`${name}/bin/${process.platform === 'win32' ? 'gokafka.exe' : 'gokafka'}`);
  } catch (cause) {
    throw new Error(`${name} is not installed: npm left out optional dependencies, or there is none for this platform`, { cause });
  }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A broker on a free port of 127.0.0.1; see startBroker. */
class Broker {
  #options;
  #tmp;
  #child;
  #ended;
  #ready;

  constructor(options) {
    this.#options = { topics: {}, properties: {}, autoCreate: true, timeout: 30000, ...options };
  }

  get bootstrap() { return this.#running().bootstrap; }
  get brokers() { return [this.bootstrap]; }
  get clusterId() { return this.#running().cluster_id; }
  get pid() { return this.#running().pid; }

  async start() {
    this.#tmp = fs.mkdtempSync(path.join(os.tmpdir(), 'gokafka-'));
    try {
      this.#spawn();
      await this.#awaitReady();
      await this.#createTopics();
    } catch (err) {
      await this.stop();
      throw err;
    }
    return this;
  }

  async stop() {
    const child = this.#child;
    this.#child = this.#ready = undefined;
    if (child) {
      child.stdin.end(); // it stops with its standard input
      child.ref();
      const timer = setTimeout(() => child.kill('SIGKILL'), this.#options.timeout);
      await this.#ended;
      clearTimeout(timer);
    }
    if (this.#tmp) {
      fs.rmSync(this.#tmp, { recursive: true, force: true });
      this.#tmp = undefined;
    }
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() { await this.stop(); }

  log() { return this.#tmp ? fs.readFileSync(path.join(this.#tmp, 'broker.log'), 'utf8') : ''; }

  run(...args) {
    return new Promise((resolve, reject) => {
      execFile(binary(), args, { timeout: this.#options.timeout }, (err, stdout, stderr) => {
        if (err) reject(new Error(`gokafka ${args.join(' ')}: ${(stderr || stdout || err.message).trim()}`));
        else resolve(stdout);
      });
    });
  }

  #running() {
    if (!this.#ready) throw new Error('the broker does not run');
    return this.#ready;
  }

  #spawn() {
    const { properties, autoCreate, dir } = this.#options;
    const all = {
      listeners: 'PLAINTEXT://127.0.0.1:0',
      'log.dirs': dir ?? path.join(this.#tmp, 'data'),
      'offsets.topic.num.partitions': 4,
      'transaction.state.log.num.partitions': 4,
      'auto.create.topics.enable': autoCreate,
      ...properties,
    };
    const args = ['server', '--ready-file', path.join(this.#tmp, 'ready.json'), '--exit-with-stdin'];
    for (const [key, value] of Object.entries(all)) args.push('--override', `${key}=${value}`);
    // The KAFKA_ variables of the machine are about another broker.
    const env = Object.fromEntries(Object.entries(process.env).filter(([k]) => !k.startsWith('KAFKA_') && k !== 'CLUSTER_ID'));
    const log = fs.openSync(path.join(this.#tmp, 'broker.log'), 'w');
    const child = spawn(binary(), args, { stdio: ['pipe', log, log], env, windowsHide: true });
    fs.closeSync(log);
    this.#child = child;
    child.stdin.on('error', () => {}); // it has ended by itself: #ended tells
    this.#ended = new Promise((resolve) => {
      child.once('error', (err) => resolve(`could not be started: ${err.message}`));
      child.once('exit', (code, signal) => resolve(`ended with ${signal ?? `status ${code}`}`));
    });
    // A test that has ended and forgotten the broker must not wait for it: its end of the pipe is closed with the process.
    child.unref();
    child.stdin.unref?.();
  }

  async #awaitReady() {
    let ended;
    this.#ended.then((how) => { ended = how; });
    for (const end = Date.now() + this.#options.timeout; ;) {
      try {
        this.#ready = JSON.parse(fs.readFileSync(path.join(this.#tmp, 'ready.json'), 'utf8'));
        return;
      } catch (err) {
        if (err.code !== 'ENOENT') throw err;
      }
      if (ended) throw new Error(`the broker ${ended}:\n${this.log()}`);
      if (Date.now() > end) throw new Error(`the broker was not ready within ${this.#options.timeout} ms:\n${this.log()}`);
      await sleep(2);
    }
  }

  async #createTopics() {
    const { topics } = this.#options;
    const entries = Array.isArray(topics) ? topics.map((name) => [name, 1]) : Object.entries(topics);
    for (const [name, partitions] of entries) {
      await this.run('kafka-topics', '--bootstrap-server', this.bootstrap, '--create', '--topic', name, '--partitions', String(partitions));
    }
  }
}

/** Starts a broker and resolves once it serves and has its topics. It ends with stop(), or with this process, even when that is killed. */
function startBroker(options = {}) {
  return new Broker(options).start();
}

module.exports = { startBroker, binary };
