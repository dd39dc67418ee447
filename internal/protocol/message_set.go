package protocol

const (
	messageHeaderBytesV0 = 26 // with null key and value
	messageHeaderBytesV1 = 34
)

// DownConvert rewrites v2 batches as a message set of magic 0 or 1 for an old consumer (Fetch 0–3), leaving out records below offset from.
// Headers, control batches and (for magic 0) timestamps are dropped; each batch becomes one message set, compressed as it was.
// A batch compressed with zstd gives an error wrapping kerr.UnsupportedCompressionType. A torn last batch is left out.
func DownConvert(batches []byte, magic int8, from int64) ([]byte, error) {
	return nil, errNotYet
}
