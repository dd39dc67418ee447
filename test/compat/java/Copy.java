import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * Copies a topic of one partition in transactions which hold the offsets too: Copy BROKER FROM TO NAME PROTOCOL UNTIL [HALT].
 * NAME is the transactional id and the group, PROTOCOL the group's (classic, consumer), UNTIL the offset to end at. Every third transaction is aborted,
 * and what was read is read again. With HALT the process ends in the midst of the transaction of that number, without a word to anybody.
 * Copy BROKER open TOPIC NAME leaves a transaction open.
 */
public class Copy {
    public static void main(String[] args) throws Exception {
        if (args[1].equals("open")) {
            KafkaProducer<String, String> p = producer(args[0], args[3]);
            p.beginTransaction();
            p.send(new ProducerRecord<>(args[2], 0, null, "open")).get();
            System.out.println("open");
            Runtime.getRuntime().halt(0);
        }
        String from = args[1], to = args[2], name = args[3];
        long until = Long.parseLong(args[5]);
        int halt = args.length > 6 ? Integer.parseInt(args[6]) : -1;
        TopicPartition source = new TopicPartition(from, 0);
        try (KafkaProducer<String, String> p = producer(args[0], name); KafkaConsumer<String, String> c = consumer(args[0], name, args[4])) {
            c.subscribe(List.of(from));
            long next = 0, end = System.nanoTime() + 90_000_000_000L;
            for (int n = 1; next < until; ) {
                if (System.nanoTime() > end) {
                    throw new IllegalStateException("only up to offset " + next);
                }
                ConsumerRecords<String, String> records = c.poll(Duration.ofMillis(200));
                if (records.isEmpty()) {
                    continue;
                }
                p.beginTransaction();
                long position = 0;
                long first = -1;
                for (ConsumerRecord<String, String> r : records) {
                    first = first < 0 ? r.offset() : first;
                    position = r.offset() + 1;
                    p.send(new ProducerRecord<>(to, 0, r.key(), r.value()));
                }
                Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
                offsets.put(source, new OffsetAndMetadata(position));
                p.sendOffsetsToTransaction(offsets, c.groupMetadata());
                if (n == halt) {
                    p.flush();
                    Runtime.getRuntime().halt(9);
                }
                if (n++ % 3 == 2) {
                    p.abortTransaction();
                    c.seek(source, first);
                } else {
                    p.commitTransaction();
                    next = position;
                }
            }
            System.out.println("copied up to " + next);
        }
    }

    private static KafkaProducer<String, String> producer(String broker, String id) {
        Properties o = new Properties();
        o.put("bootstrap.servers", broker);
        o.put("transactional.id", id);
        o.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        o.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        KafkaProducer<String, String> p = new KafkaProducer<>(o);
        p.initTransactions();
        return p;
    }

    private static KafkaConsumer<String, String> consumer(String broker, String group, String protocol) {
        Properties o = new Properties();
        o.put("bootstrap.servers", broker);
        o.put("group.id", group);
        if (protocol.equals("consumer")) {
            o.put("group.protocol", protocol);
        } else {
            o.put("session.timeout.ms", "6000");
            o.put("heartbeat.interval.ms", "500");
        }
        o.put("auto.offset.reset", "earliest");
        o.put("enable.auto.commit", "false");
        o.put("isolation.level", "read_committed");
        o.put("max.poll.records", "7");
        o.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        o.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        return new KafkaConsumer<>(o);
    }
}
