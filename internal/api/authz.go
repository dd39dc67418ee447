package api

import "github.com/twmb/franz-go/pkg/kmsg"

// What a client may do, in the bits of the authorized-operations fields. Without an authorizer Kafka answers every
// operation that the kind of resource supports (AuthHelper.authorizedOperations, AclEntry.supportedOperations).
const (
	// notRequested is what those fields hold when the request does not ask for them.
	notRequested int32 = -2147483648

	allTopicOperations int32 = 1<<kmsg.ACLOperationRead | 1<<kmsg.ACLOperationWrite | 1<<kmsg.ACLOperationCreate |
		1<<kmsg.ACLOperationDescribe | 1<<kmsg.ACLOperationDelete | 1<<kmsg.ACLOperationAlter |
		1<<kmsg.ACLOperationDescribeConfigs | 1<<kmsg.ACLOperationAlterConfigs
	allGroupOperations int32 = 1<<kmsg.ACLOperationRead | 1<<kmsg.ACLOperationDescribe | 1<<kmsg.ACLOperationDelete |
		1<<kmsg.ACLOperationDescribeConfigs | 1<<kmsg.ACLOperationAlterConfigs
	allClusterOperations int32 = 1<<kmsg.ACLOperationCreate | 1<<kmsg.ACLOperationClusterAction |
		1<<kmsg.ACLOperationDescribeConfigs | 1<<kmsg.ACLOperationAlterConfigs | 1<<kmsg.ACLOperationAlter |
		1<<kmsg.ACLOperationIdempotentWrite | 1<<kmsg.ACLOperationDescribe
)
