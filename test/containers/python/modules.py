"""Starts gokafka's image with the Kafka class of testcontainers-python and sends and reads a record: python modules.py IMAGE SCENARIO…"""

import sys
import time
import uuid

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from testcontainers.community.kafka import KafkaContainer


def zookeeper(image):
    with KafkaContainer(image) as kafka:
        send_and_read(kafka.get_bootstrap_server())


def kraft(image):
    with KafkaContainer(image).with_kraft() as kafka:
        send_and_read(kafka.get_bootstrap_server())


def send_and_read(bootstrap):
    topic = f"words-{uuid.uuid4()}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    made = admin.create_topics([NewTopic(topic, 3, 1)])
    made[topic].result(30)
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(topic, key="key", value="value")
    if producer.flush(30):
        raise SystemExit("not sent within 30 s")
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "readers", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    end = time.monotonic() + 30
    while time.monotonic() < end:
        message = consumer.poll(0.2)
        if message and not message.error():
            assert (message.key(), message.value()) == (b"key", b"value")
            consumer.close()
            return
    raise SystemExit("nothing read within 30 s")


for scenario in sys.argv[2:]:
    began = time.monotonic()
    globals()[scenario](sys.argv[1])
    print(f"ok {scenario} {int((time.monotonic() - began) * 1000)} ms", flush=True)
