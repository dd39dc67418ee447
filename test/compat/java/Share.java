import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicIdPartition;
import org.apache.kafka.common.config.ConfigResource;

/**
 * Share groups (KIP-932) on a topic of one partition that has m0 to m29: Share BROKER TOPIC GROUP. One line for each thing that is as it should be.
 * Implicit acknowledgement takes m0 to m9, explicit acknowledgement m10 to m29: accepted, released (and delivered once more), rejected, and left alone by a
 * member that closes. At last two members share what is produced meanwhile.
 */
public class Share {
    static String broker, topic, group;
    static final long END = System.nanoTime() + 90_000_000_000L;

    public static void main(String[] args) throws Exception {
        broker = args[0];
        topic = args[1];
        group = args[2];
        Properties p = new Properties();
        p.put("bootstrap.servers", broker);
        try (Admin admin = Admin.create(p)) {
            admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, group),
                List.of(new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET)))).all().get();
        }
        implicit();
        explicit();
        together();
    }

    static KafkaShareConsumer<String, String> member(String mode, int most) {
        Properties p = new Properties();
        p.put("bootstrap.servers", broker);
        p.put("group.id", group);
        p.put("share.acknowledgement.mode", mode);
        p.put("share.acquire.mode", "record_limit");
        p.put("max.poll.records", String.valueOf(most));
        p.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        p.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        KafkaShareConsumer<String, String> c = new KafkaShareConsumer<>(p);
        c.subscribe(List.of(topic));
        return c;
    }

    static List<ConsumerRecord<String, String>> some(KafkaShareConsumer<String, String> c) {
        while (System.nanoTime() < END) {
            ConsumerRecords<String, String> got = c.poll(Duration.ofMillis(300));
            if (!got.isEmpty()) {
                List<ConsumerRecord<String, String>> list = new ArrayList<>();
                got.forEach(list::add);
                return list;
            }
        }
        throw new IllegalStateException("nothing was delivered in time");
    }

    static void commit(KafkaShareConsumer<String, String> c) {
        for (Map.Entry<TopicIdPartition, Optional<KafkaException>> e : c.commitSync().entrySet()) {
            if (e.getValue().isPresent()) {
                throw e.getValue().get();
            }
        }
    }

    static void want(Object got, Object want) {
        if (!got.equals(want)) {
            throw new IllegalStateException("got " + got + ", want " + want);
        }
    }

    /** Each poll accepts what the one before returned; the commit what the last one did. */
    static void implicit() {
        List<String> got = new ArrayList<>();
        try (KafkaShareConsumer<String, String> c = member("implicit", 5)) {
            while (got.size() < 10) {
                for (ConsumerRecord<String, String> r : some(c)) {
                    want(r.deliveryCount(), Optional.of((short) 1));
                    got.add(r.value());
                }
            }
            commit(c);
        }
        List<String> all = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            all.add("m" + i);
        }
        want(got, all);
        System.out.println("implicit");
    }

    static void explicit() {
        Map<String, Integer> count = new TreeMap<>();
        Set<String> released = new HashSet<>();
        boolean renewed = false;
        try (KafkaShareConsumer<String, String> c = member("explicit", 10)) {
            int done = 0;
            while (done < 15) { // m10 to m24
                for (ConsumerRecord<String, String> r : some(c)) {
                    int n = Integer.parseInt(r.value().substring(1)), delivery = r.deliveryCount().get();
                    if (n == 11 && !renewed) { // it takes longer, and comes again as what it was
                        c.acknowledge(r, AcknowledgeType.RENEW);
                        renewed = true;
                        continue;
                    }
                    count.merge(r.value(), 1, Integer::sum);
                    want(delivery, count.get(r.value()));
                    if (n >= 25) {
                        c.acknowledge(r, AcknowledgeType.RELEASE); // for the others
                    } else if (n % 3 == 0 && delivery == 1) {
                        c.acknowledge(r, AcknowledgeType.RELEASE);
                        released.add(r.value());
                    } else if (n % 3 == 1) {
                        c.acknowledge(r, AcknowledgeType.REJECT);
                        done++;
                    } else {
                        c.acknowledge(r, AcknowledgeType.ACCEPT);
                        done++;
                    }
                }
                commit(c);
            }
        }
        want(released, Set.of("m12", "m15", "m18", "m21", "m24"));
        for (int n = 10; n < 25; n++) {
            want(count.get("m" + n), n % 3 == 0 ? 2 : 1);
        }
        System.out.println("explicit");
    }

    /** Two members read at a time, each record goes to one of them. */
    static void together() throws Exception {
        Set<String> all = Collections.synchronizedSet(new TreeSet<>());
        List<Thread> threads = new ArrayList<>();
        List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());
        int[] each = new int[2];
        boolean[] over = new boolean[1];
        for (int i = 0; i < 2; i++) {
            int me = i;
            Thread t = new Thread(() -> {
                try (KafkaShareConsumer<String, String> c = member("implicit", 4)) {
                    while (!over[0] && System.nanoTime() < END) {
                        for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(200))) {
                            if (!r.value().startsWith("n")) {
                                continue; // m25 to m29
                            }
                            if (!all.add(r.value())) {
                                throw new IllegalStateException(r.value() + " was delivered twice");
                            }
                            each[me]++;
                        }
                        commit(c);
                        Thread.sleep(20);
                    }
                } catch (Throwable e) {
                    failures.add(e);
                }
            });
            t.start();
            threads.add(t);
        }
        Properties p = new Properties();
        p.put("bootstrap.servers", broker);
        p.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        p.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        int sent = 0;
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(p)) {
            while ((each[0] < 10 || each[1] < 10) && failures.isEmpty() && System.nanoTime() < END) {
                for (int i = 0; i < 8; i++) {
                    producer.send(new ProducerRecord<>(topic, 0, null, "n" + sent++)).get();
                }
                Thread.sleep(20);
            }
        }
        while (all.size() < sent && failures.isEmpty() && System.nanoTime() < END) {
            Thread.sleep(50);
        }
        over[0] = true;
        for (Thread t : threads) {
            t.join();
        }
        if (!failures.isEmpty()) {
            throw new IllegalStateException(failures.get(0));
        }
        want(all.size(), sent);
        want(each[0] >= 10 && each[1] >= 10, true);
        System.out.println("together");
    }
}
