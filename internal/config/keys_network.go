package config

// Sockets: listeners, addresses, connection limits.
var networkKeys = []Key{
	{"listeners", TypeList, "PLAINTEXT://:9092", honour | pb, unchecked, "Sockets to open, as NAME://host:port,…; an empty host or 0.0.0.0 is every interface, port 0 any free port."},
	{"advertised.listeners", TypeList, null, honour, unchecked, "Addresses that clients are told, by listener name. When not set: the hosts in `listeners`, and for a listener on all interfaces the address that the client connected to."},
	{"listener.security.protocol.map", TypeString, "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT", honour | pb, unchecked, "Security protocol of each listener name."},
	{"inter.broker.listener.name", TypeString, null, honour, unchecked, "Listener that brokers use among themselves."},
	{"security.inter.broker.protocol", TypeString, "PLAINTEXT", honour, oneOf("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"), "Chooses the listener between brokers by protocol, when inter.broker.listener.name does not."},
	{"early.start.listeners", TypeList, null, accept, unchecked, "Listeners that accept before the node is ready."},
	{"socket.listen.backlog.size", TypeInt, "50", later, atLeast(1), "Connections that may wait to be accepted; gokafka leaves it to the operating system."},
	{"socket.receive.buffer.bytes", TypeInt, "102400", honour, unchecked, "Receive buffer of a connection; -1 leaves it to the operating system."},
	{"socket.send.buffer.bytes", TypeInt, "102400", honour, unchecked, "Send buffer of a connection; -1 leaves it to the operating system."},
	{"socket.request.max.bytes", TypeInt, "104857600", honour, atLeast(1), "Largest request that is accepted."},
	{"socket.connection.setup.timeout.ms", TypeLong, "10000", accept, unchecked, "How long a connection to another node may take."},
	{"socket.connection.setup.timeout.max.ms", TypeLong, "30000", accept, unchecked, "Upper bound of that time when it is retried."},
	{"connections.max.idle.ms", TypeLong, "600000", honour, unchecked, "A connection without requests for so long is closed."},
	{"max.connections", TypeInt, "2147483647", honour | cl, atLeast(0), "Connections of this broker at a time."},
	{"max.connections.per.ip", TypeInt, "2147483647", honour | cl, atLeast(0), "Connections of one client address at a time."},
	{"max.connections.per.ip.overrides", TypeString, "", honour | cl, unchecked, "Other limits for single addresses, as host:count,…."},
	{"max.connection.creation.rate", TypeInt, "2147483647", honour | cl, atLeast(0), "New connections per second."},
	{"connection.failed.authentication.delay.ms", TypeInt, "100", accept, atLeast(0), "Wait before a failed authentication is answered."},
}
