"""A Kafka broker in milliseconds, for tests and for development.

    with gokafka.Broker(topics={"orders": 3}) as broker:
        producer = KafkaProducer(bootstrap_servers=broker.bootstrap)

pytest has it as the fixture gokafka_broker. The package carries the gokafka binary: nothing else is needed, no Java and no container.
"""

from ._broker import Broker, BrokerError, binary

__all__ = ["Broker", "BrokerError", "binary"]
