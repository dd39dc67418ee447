// Package api gives requests their meaning: one file per Kafka API, named by its API key, and the table from which
// dispatch, the version check and the ApiVersions answer all come.
//
//	server ──frame──► session.Handle ──► table[key] ──► NN_name.go ──► broker, group, metadata, controller
//	server ◄─Response─────────────────────────────────────┘
//
// It is the only package that knows API versions. Handlers have one shape:
//
//	func (s *session) metadata(ctx context.Context, req *kmsg.MetadataRequest) (*kmsg.MetadataResponse, error)
//
// A returned error drops the connection; every problem of a topic, partition or group is inside the response. Below
// this package errors are Go errors that wrap kerr values; protocol.ErrorCode turns them into codes here and nowhere
// else.
//
// A session belongs to one connection and is touched only by that connection's goroutine, so it has no lock and may
// keep buffers from one request to the next. What connections share (fetch sessions, auto-creation) hangs on API and
// is guarded there.
//
// Ownership: a request's byte slices alias the connection's frame buffer, which is used again after the response has
// been written; whatever outlives the request is cloned. Strings are copies.
//
// The package starts no goroutine.
package api
