import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyQueryMetadata;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.QueryableStoreTypes;

/**
 * Kafka Streams' word count, exactly once: WordCount BROKER FROM TO NAME STATE_DIR WORDS [PROTOCOL]. It ends when so many words are counted in what was
 * committed, and prints the counts; and once more that of "kafka", asked of the state store, whose place it asks the group.
 */
public class WordCount {
    public static void main(String[] args) throws Exception {
        Properties o = new Properties();
        o.put("bootstrap.servers", args[0]);
        o.put("application.id", args[3]);
        o.put("state.dir", args[4]);
        o.put("processing.guarantee", "exactly_once_v2");
        o.put("commit.interval.ms", "100");
        o.put("application.server", "word.count:1234");
        o.put("replication.factor", "1");
        o.put("default.key.serde", Serdes.String().getClass());
        o.put("default.value.serde", Serdes.String().getClass());
        o.put("consumer.auto.offset.reset", "earliest");
        if (args.length > 6) {
            o.put("group.protocol", args[6]);
        } else { // it does not leave its group when it ends
            o.put("consumer.session.timeout.ms", "6000");
            o.put("consumer.heartbeat.interval.ms", "1000");
        }
        StreamsBuilder b = new StreamsBuilder();
        KStream<String, String> lines = b.stream(args[1]);
        lines.flatMapValues(line -> Arrays.asList(line.toLowerCase().split("\\W+")))
            .groupBy((key, word) -> word, Grouped.with(Serdes.String(), Serdes.String()))
            .count(Materialized.as("counts")).toStream().to(args[2], Produced.with(Serdes.String(), Serdes.Long()));
        KafkaStreams streams = new KafkaStreams(b.build(), o);
        CountDownLatch failed = new CountDownLatch(1);
        streams.setUncaughtExceptionHandler(e -> {
            e.printStackTrace();
            failed.countDown();
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        boolean done = countTo(Integer.parseInt(args[5]), args[0], args[2], failed);
        done = done && query(streams);
        streams.close();
        System.exit(done ? 0 : 1);
    }

    /** Prints what the store of this only instance says of a word, and where the key is. */
    private static boolean query(KafkaStreams streams) throws InterruptedException {
        Exception last = null;
        for (int i = 0; i < 200; i++, Thread.sleep(100)) {
            try {
                KeyQueryMetadata at = streams.queryMetadataForKey("counts", "kafka", Serdes.String().serializer());
                if (at != null && at.activeHost().port() == 1234) {
                    Object n = streams.store(StoreQueryParameters.fromNameAndType("counts", QueryableStoreTypes.keyValueStore())).get("kafka");
                    System.out.println("kafka " + n + " at " + at.activeHost().host());
                    return true;
                }
            } catch (InvalidStateStoreException | IllegalStateException e) { // it has a rebalance
                last = e;
            }
        }
        System.err.println("the state store cannot be asked: " + last);
        return false;
    }

    /** Reads the counts until they add up to the number, and prints them. */
    private static boolean countTo(long words, String broker, String topic, CountDownLatch failed) {
        Properties o = new Properties();
        o.put("bootstrap.servers", broker);
        o.put("isolation.level", "read_committed");
        o.put("auto.offset.reset", "earliest");
        o.put("group.id", "none");
        TreeMap<String, Long> counts = new TreeMap<>();
        long end = System.nanoTime() + 80_000_000_000L;
        try (KafkaConsumer<String, Long> c = new KafkaConsumer<>(o, Serdes.String().deserializer(), Serdes.Long().deserializer())) {
            List<TopicPartition> partitions = c.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).collect(Collectors.toList());
            c.assign(partitions);
            c.seekToBeginning(partitions);
            while (failed.getCount() > 0 && System.nanoTime() < end) {
                c.poll(Duration.ofMillis(200)).forEach(r -> counts.put(r.key(), r.value()));
                if (counts.values().stream().mapToLong(n -> n).sum() >= words) {
                    counts.forEach((word, n) -> System.out.println(word + " " + n));
                    return true;
                }
            }
        }
        System.err.println("only " + counts);
        return false;
    }
}
