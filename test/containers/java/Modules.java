import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.testcontainers.containers.Container;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.Network;
import org.testcontainers.kafka.ConfluentKafkaContainer;
import org.testcontainers.kafka.KafkaContainer;
import org.testcontainers.utility.DockerImageName;

/** The Kafka classes of testcontainers-java with gokafka's image instead of Apache's and Confluent's: java Modules.java IMAGE SCENARIO… */
public class Modules {
    interface Scenario {
        void run() throws Exception;
    }

    static String image;

    static DockerImageName instead(String of) {
        return DockerImageName.parse(image).asCompatibleSubstituteFor(of);
    }

    public static void main(String[] args) throws Exception {
        image = args[0];
        Map<String, Scenario> all = Map.of(
            "apache", Modules::apache,
            "apache-native", Modules::apacheNative,
            "confluent", Modules::confluent,
            "listener", Modules::listener,
            "old-kraft", Modules::oldKraft,
            "old-zookeeper", Modules::oldZooKeeper);
        for (int i = 1; i < args.length; i++) {
            long began = System.nanoTime();
            all.get(args[i]).run();
            System.out.printf("ok %s %d ms%n", args[i], TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began));
        }
        System.exit(0); // threads of the library stay
    }

    static void apache() throws Exception {
        try (KafkaContainer kafka = new KafkaContainer(instead("apache/kafka"))) {
            kafka.start();
            sendAndRead(kafka.getBootstrapServers());
        }
    }

    static void apacheNative() throws Exception {
        try (KafkaContainer kafka = new KafkaContainer(instead("apache/kafka-native"))) {
            kafka.start();
            sendAndRead(kafka.getBootstrapServers());
        }
    }

    static void confluent() throws Exception {
        try (ConfluentKafkaContainer kafka = new ConfluentKafkaContainer(instead("confluentinc/cp-kafka"))) {
            kafka.start();
            sendAndRead(kafka.getBootstrapServers());
        }
    }

    /** A second listener for another container in the same network, which uses the tools of the image. */
    static void listener() throws Exception {
        try (Network network = Network.newNetwork();
             KafkaContainer kafka = new KafkaContainer(instead("apache/kafka")).withListener("kafka:19092").withNetwork(network)
                 .withNetworkAliases("kafka");
             GenericContainer<?> other = new GenericContainer<>(DockerImageName.parse(image)).withNetwork(network).withCommand("sleep", "600")) {
            kafka.start();
            other.start();
            sendAndRead(kafka.getBootstrapServers());
            Container.ExecResult said = other.execInContainer("/opt/kafka/bin/kafka-topics.sh", "--bootstrap-server", "kafka:19092", "--list");
            if (said.getExitCode() != 0 || !said.getStdout().contains("words-")) {
                throw new IllegalStateException("kafka-topics.sh from another container: " + said);
            }
        }
    }

    @SuppressWarnings("deprecation")
    static void oldKraft() throws Exception {
        try (org.testcontainers.containers.KafkaContainer kafka =
                 new org.testcontainers.containers.KafkaContainer(instead("confluentinc/cp-kafka")).withKraft()) {
            kafka.start();
            sendAndRead(kafka.getBootstrapServers());
        }
    }

    @SuppressWarnings("deprecation")
    static void oldZooKeeper() throws Exception {
        try (org.testcontainers.containers.KafkaContainer kafka =
                 new org.testcontainers.containers.KafkaContainer(instead("confluentinc/cp-kafka"))) {
            kafka.start();
            sendAndRead(kafka.getBootstrapServers());
        }
    }

    static void sendAndRead(String bootstrap) throws Exception {
        String topic = "words-" + UUID.randomUUID();
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("group.id", "readers");
        p.put("auto.offset.reset", "earliest");
        try (Admin admin = Admin.create(p)) {
            admin.createTopics(List.of(new NewTopic(topic, 3, (short) 1))).all().get(30, TimeUnit.SECONDS);
        }
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(p, new StringSerializer(), new StringSerializer())) {
            producer.send(new ProducerRecord<>(topic, "key", "value")).get(30, TimeUnit.SECONDS);
        }
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(p, new StringDeserializer(), new StringDeserializer())) {
            consumer.subscribe(List.of(topic));
            for (long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30); System.nanoTime() < end; ) {
                for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(200))) {
                    if (r.key().equals("key") && r.value().equals("value")) {
                        return;
                    }
                }
            }
        }
        throw new IllegalStateException("nothing read within 30 s");
    }
}
