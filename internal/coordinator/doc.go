// Package coordinator runs deterministic state machines ("shards") over the partitions of an internal topic.
//
// It knows nothing of groups or transactions, and touches neither files nor sockets: what is below a shard's log is behind [Journal].
//
//	request ─┐                      one goroutine per loaded partition
//	timer   ─┼─► queue ─► fn(shard) ─► records ─► Journal.Append ─► Shard.Replay ─► AfterAppend ─► replies
//	         │             reads state             one batch          the only         soft state     held until
//	         │             and soft state                             durable change                  committed
//
// The rules, which every shard may rely on and must keep:
//
//  1. Requests and timers of one shard run one after another, on one goroutine.
//  2. What a request or timer returns are records. It does not change durable state: [Shard.Replay] does, after the records have been
//     appended, and again when the log is loaded elsewhere. Soft state (sessions, waiting joins) may be touched at once; after a load it
//     is made anew from the durable state.
//  3. When the append fails there is nothing to undo in durable state, each reply completed in that event gets the error instead, and the
//     functions given to [Env.AfterAppend] get it too, to take back soft state.
//  4. A reply, that of a pure read included, is released only when all that the shard had written by then is committed. Kafka reads the
//     committed past of its uncommitted state from timeline data structures; waiting replaces them. On one node the wait is zero.
//  5. Losing the leadership unloads the shard and fails all waiting replies with NOT_COORDINATOR.
//  6. A timer has a key. Scheduling it again replaces it, a cancelled timer never runs even if it was due, and a timer that is due runs
//     after the requests that were in the queue before it: who sent a heartbeat in time is not expired because the machine is slow.
//
// Goroutines: one per loaded partition, started by [Runtime.Load], ended by [Runtime.Unload]; [Runtime.Close] waits for all of them.
package coordinator
