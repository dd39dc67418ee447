// What python/harness.py is for the Python programs: node PROGRAM BROKER [REGEX] runs named scenarios and prints
// "ok NAME SECONDS", "skip NAME SECONDS reason" or "FAIL NAME SECONDS reason" for each.
import { isDeepStrictEqual, inspect } from 'node:util'

const LIMIT_MS = 90_000 // of one scenario; far beyond what any takes
const scenarios = []
const mark = (Date.now() & 0xffffff).toString(16) + process.pid.toString(16)
let n = 0

export const scenario = fn => scenarios.push(fn)

// A name (of a topic, a group) that no other scenario, client or run uses.
export const fresh = word => `kafkajs-${word}-${mark}-${++n}`

const short = x => inspect(x, { breakLength: Infinity }).slice(0, 400)

export function equal (got, want, what = '') {
  if (!isDeepStrictEqual(got, want)) throw new Error(`${what && what + ': '}got ${short(got)}, want ${short(want)}`)
}

export async function eventually (check, seconds = 30) {
  for (const end = Date.now() + seconds * 1000; ;) {
    try { return await check() } catch (e) { if (Date.now() > end) throw e }
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

// The promise must fail with Kafka's error of that name, at whatever depth the client wrapped it.
export async function rejects (promise, type) {
  let error
  try { await promise } catch (e) { error = e }
  const seen = []
  const walk = e => { if (e) { seen.push(e.type ?? e.message); [e.cause, ...(e.errors ?? []), e.error, ...(e.groups ?? [])].forEach(walk) } }
  walk(error)
  if (!seen.includes(type)) throw new Error(`got ${error ? short(seen) : 'no error'}, want ${type}`)
}

async function run (fn) {
  const start = Date.now()
  let word = 'ok'
  let why = ''
  let timer
  try {
    await Promise.race([fn(), new Promise((resolve, reject) => { timer = setTimeout(() => reject(new Error(`not done after ${LIMIT_MS} ms`)), LIMIT_MS) })])
  } catch (e) {
    console.error(e)
    word = 'FAIL'
    why = `${e.name}: ${e.message}`.replace(/\s+/g, ' ').slice(0, 600)
  }
  clearTimeout(timer)
  return `${word} ${fn.name} ${((Date.now() - start) / 1000).toFixed(1)} ${why}`.trimEnd()
}

export async function main () {
  const only = new RegExp(process.argv[3] ?? '')
  for (const fn of scenarios) if (only.test(fn.name)) console.log(await run(fn))
  process.exit(0)
}
