import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * A member of a consumer group for tests with mixed groups. Every event is one JSON line on standard output, its time in
 * milliseconds since the epoch first.
 *
 * Arguments: bootstrap, group, topics (with commas), then "key=value": properties of the consumer, and of this program
 * "mode" (none, sync, async, auto: when it commits; none is the default) and "delay" (milliseconds of work per record).
 *
 * Standard input: "commit" (what was polled), "commit topic partition offset", "pause", "resume" (stop polling: the
 * heartbeat thread goes on), "seek topic partition offset", "close" (orderly), "halt" (at once). Its end closes.
 */
public class GroupConsumer {
    static final PrintStream OUT = Json.out();

    final KafkaConsumer<byte[], byte[]> consumer;
    final Map<TopicPartition, OffsetAndMetadata> polled = new LinkedHashMap<>();
    final BlockingQueue<String> commands = new LinkedBlockingQueue<>();
    final String mode;
    final long delay;

    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        properties.put("group.id", args[1]);
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", "false");
        String mode = "none";
        long delay = 0;
        for (int index = 3; index < args.length; index++) {
            int equals = args[index].indexOf('=');
            String key = args[index].substring(0, equals);
            String value = args[index].substring(equals + 1);
            switch (key) {
                case "mode": mode = value; break;
                case "delay": delay = Long.parseLong(value); break;
                default: properties.put(key, value);
            }
        }
        if (mode.equals("auto")) {
            properties.put("enable.auto.commit", "true");
        }
        new GroupConsumer(properties, mode, delay).run(Arrays.asList(args[2].split(",")));
    }

    GroupConsumer(Properties properties, String mode, long delay) {
        consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        this.mode = mode;
        this.delay = delay;
    }

    void run(List<String> topics) throws Exception {
        Thread reader = new Thread(this::read, "stdin");
        reader.setDaemon(true);
        reader.start();
        consumer.subscribe(topics, new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                event("assigned", "\"partitions\":" + json(partitions) + member());
            }

            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                event("revoked", "\"partitions\":" + json(partitions));
                if (mode.equals("sync") || mode.equals("async")) {
                    commit(polled);
                }
                polled.keySet().removeAll(partitions);
            }

            // Without @Override: clients before 2.4 have no such method and call the one above.
            public void onPartitionsLost(Collection<TopicPartition> partitions) {
                event("lost", "\"partitions\":" + json(partitions));
                polled.keySet().removeAll(partitions);
            }
        });
        event("started", null);
        boolean paused = false;
        while (true) {
            String[] words;
            // Not polling is what "pause" means: the member stays until max.poll.interval.ms.
            for (String line = paused ? commands.take() : commands.poll(); line != null; line = commands.poll()) {
                words = line.trim().split(" ");
                switch (words[0]) {
                    case "commit": commit(words.length == 1 ? polled : offset(words)); break;
                    case "seek": consumer.seek(partition(words), Long.parseLong(words[3])); break;
                    case "pause": paused = true; event("paused", null); break;
                    case "resume": paused = false; event("resumed", null); break;
                    case "halt": Runtime.getRuntime().halt(9); break;
                    case "close":
                        if (mode.equals("sync") || mode.equals("async")) {
                            commit(polled);
                        }
                        consumer.close(Duration.ofSeconds(20));
                        event("closed", null);
                        return;
                    default: event("error", "\"error\":" + Json.string("unknown command " + line));
                }
            }
            if (!paused) {
                poll();
            }
        }
    }

    void poll() throws InterruptedException {
        ConsumerRecords<byte[], byte[]> records;
        try {
            records = consumer.poll(Duration.ofMillis(50));
        } catch (RuntimeException error) {
            event("error", "\"error\":" + Json.string(error.toString()));
            Thread.sleep(100);
            return;
        }
        for (TopicPartition partition : records.partitions()) {
            List<ConsumerRecord<byte[], byte[]>> some = records.records(partition);
            StringBuilder offsets = new StringBuilder();
            for (ConsumerRecord<byte[], byte[]> record : some) {
                offsets.append(offsets.length() == 0 ? "" : ",").append(record.offset());
                if (delay > 0) {
                    Thread.sleep(delay);
                }
            }
            long next = some.get(some.size() - 1).offset() + 1;
            polled.put(partition, new OffsetAndMetadata(next));
            event("records", json(partition) + ",\"count\":" + some.size() + ",\"offsets\":[" + offsets + "]");
        }
        if (!records.isEmpty() && mode.equals("sync")) {
            commit(polled);
        }
        if (!records.isEmpty() && mode.equals("async")) {
            Map<TopicPartition, OffsetAndMetadata> offsets = new LinkedHashMap<>(polled);
            consumer.commitAsync(offsets, (done, error) -> committed(offsets, error));
        }
    }

    void commit(Map<TopicPartition, OffsetAndMetadata> offsets) {
        if (offsets.isEmpty()) {
            return;
        }
        Map<TopicPartition, OffsetAndMetadata> copy = new LinkedHashMap<>(offsets);
        Exception failed = null;
        try {
            consumer.commitSync(copy);
        } catch (RuntimeException error) {
            failed = error;
        }
        committed(copy, failed);
    }

    static void committed(Map<TopicPartition, OffsetAndMetadata> offsets, Exception error) {
        for (Map.Entry<TopicPartition, OffsetAndMetadata> entry : offsets.entrySet()) {
            String what = json(entry.getKey()) + ",\"offset\":" + entry.getValue().offset();
            if (error == null) {
                event("committed", what);
            } else {
                event("commit_failed", what + ",\"error\":" + Json.string(error.getClass().getSimpleName()));
            }
        }
    }

    /** The member's id and generation or epoch, where this client tells (2.4 and later). */
    String member() {
        try {
            Object group = KafkaConsumer.class.getMethod("groupMetadata").invoke(consumer);
            return ",\"member\":" + Json.string((String) group.getClass().getMethod("memberId").invoke(group))
                + ",\"generation\":" + group.getClass().getMethod("generationId").invoke(group);
        } catch (ReflectiveOperationException tooOld) {
            return "";
        }
    }

    void read() {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                commands.add(line);
            }
        } catch (java.io.IOException gone) {
            event("error", "\"error\":" + Json.string(gone.toString()));
        }
        commands.add("close");
    }

    static TopicPartition partition(String[] words) {
        return new TopicPartition(words[1], Integer.parseInt(words[2]));
    }

    static Map<TopicPartition, OffsetAndMetadata> offset(String[] words) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new LinkedHashMap<>();
        offsets.put(partition(words), new OffsetAndMetadata(Long.parseLong(words[3])));
        return offsets;
    }

    static String json(TopicPartition partition) {
        return "\"topic\":" + Json.string(partition.topic()) + ",\"partition\":" + partition.partition();
    }

    static String json(Collection<TopicPartition> partitions) {
        Map<String, String> sorted = new TreeMap<>();
        for (TopicPartition partition : partitions) {
            String key = partition.topic() + String.format("-%09d", partition.partition());
            sorted.put(key, "[" + Json.string(partition.topic()) + "," + partition.partition() + "]");
        }
        return "[" + String.join(",", sorted.values()) + "]";
    }

    static synchronized void event(String name, String more) {
        StringBuilder line = new StringBuilder("{\"time\":").append(System.currentTimeMillis());
        line.append(",\"event\":").append(Json.string(name));
        if (more != null) {
            line.append(',').append(more);
        }
        OUT.println(line.append('}'));
    }
}
