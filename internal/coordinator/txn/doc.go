// Package txn hands out producer ids. (The transaction coordinator will live here too.)
//
// A node takes ids from the controller in blocks and gives them out one by one; what a block still holds when the node
// stops is lost, so that no id is ever given out twice:
//
//	InitProducerId ──► ProducerIDs.Next ──(block used up)──► AllocateProducerIds ──► ProducerIdsRecord in the metadata log
//
// The package must not know connections or API versions. It starts no goroutine.
package txn
