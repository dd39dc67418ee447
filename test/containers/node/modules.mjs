// Starts gokafka's image with the Kafka class of testcontainers-node and sends and reads a record: node modules.mjs IMAGE SCENARIO…
// GOKAFKA_MODULES is the folder with node_modules.
import { createRequire } from "node:module";
import { randomUUID } from "node:crypto";

const require = createRequire(process.env.GOKAFKA_MODULES + "/");
const { KafkaContainer } = require("@testcontainers/kafka");
const { Kafka, logLevel } = require("kafkajs");

// Before version 8 of Confluent's image the library starts a ZooKeeper, and waits for its port.
// Port 9092 is published for the sake of podman 4.3: it lists each EXPOSEd port as one to publish, and the library waits until all those are.
const scenarios = {
  kraft: (image) => new KafkaContainer(image).withKraft().withExposedPorts(9092),
  zookeeper: (image) => new KafkaContainer(image.replace(/:[^:]*$/, ":7.5.0")).withExposedPorts(9092),
};

async function sendAndRead(bootstrap) {
  const topic = `words-${randomUUID()}`;
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] });
  await admin.disconnect();
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic, messages: [{ key: "key", value: "value" }] });
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: "readers" });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const read = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("nothing read within 30 s")), 30_000);
    consumer
      .run({
        eachMessage: async ({ message }) => {
          clearTimeout(late);
          resolve(`${message.key}=${message.value}`);
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  if (read !== "key=value") throw new Error(`read ${read}`);
}

const [image, ...names] = process.argv.slice(2);
for (const name of names) {
  const began = performance.now();
  const container = await scenarios[name](image).start();
  try {
    await sendAndRead(`${container.getHost()}:${container.getMappedPort(9093)}`);
  } finally {
    await container.stop();
  }
  console.log(`ok ${name} ${Math.round(performance.now() - began)} ms`);
}
