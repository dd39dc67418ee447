// Package server accepts connections and runs the request loop of each. It knows frames, not APIs: a whole frame goes to a [Session], and what
// the session answers goes back.
//
// One goroutine serves one connection, one request at a time: Kafka gives each connection the same contract (answers in the order of the
// requests, the next request is not begun before the last one is answered), and in Go that contract is a loop.
//
//	accept loop (one per listener) ──► conn.serve: read frame ─► Session.Handle ─► write response ─► …
//
// Goroutines: an accept loop per listener, a loop per connection, and one that looks for peers that left while their request is handled, all owned
// by [Server], ended and waited for by [Server.Shutdown].
//
// Memory: an idle connection holds the smallest stack of a goroutine: one that was quiet for a moment goes on waiting on a new goroutine, and its read
// buffer goes back to a pool. The buffers of frames and responses come from pools when the
// first bytes of a request have arrived and go back when its response is written. A frame's buffer grows with the bytes that really arrive, so
// a peer that announces a large frame and sends nothing costs nothing.
//
// The package must not know what a request means, nor who is on the other side.
package server
