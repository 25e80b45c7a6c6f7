import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads a topic with Java's consumer: BOOTSTRAP TOPIC GROUP|- RECORDS PARTITIONS.
 *
 * It reads the topic twice, with a consumer (and a group) each, and measures the second time: what a consumer costs that has
 * been running for a while, its code compiled. In a group auto commit is on (5 s, and at close, after the clock has stopped).
 * Measures what benches/src/tally.rs measures.
 */
public final class ReadJava {
    private long records;
    private long keyBytes;
    private long valueBytes;
    private long touched;
    private long firstAt;
    private long[] firstTicks;
    private final String skip = System.getenv("BENCH_LATENCY_SKIP");
    private final long begin = skip == null ? 0 : Long.parseLong(skip);
    private long[] latencies = new long[0];

    public static void main(String[] args) throws Exception {
        long records = Long.parseLong(args[3]);
        int partitions = Integer.parseInt(args[4]);
        String group = args[2].equals("-") ? null : args[2];
        if (System.getenv("BENCH_LATENCY_SKIP") == null) {
            new ReadJava().read(args[0], args[1], group == null ? null : group + "-warm", records, partitions);
        }
        System.out.println(new ReadJava().read(args[0], args[1], group, records, partitions));
    }

    private String read(String bootstrap, String topic, String group, long wanted, int partitions) throws Exception {
        long born = System.nanoTime();
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        if (group != null) {
            config.put("group.id", group);
        }
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", String.valueOf(group != null));
        config.put("max.poll.records", "10000");
        // Default 64 KiB; -1 leaves it to the operating system, as librdkafka and Milena do.
        config.put("receive.buffer.bytes", "-1");
        config.put("key.deserializer", ByteArrayDeserializer.class.getName());
        config.put("value.deserializer", ByteArrayDeserializer.class.getName());
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config)) {
            if (group != null) {
                consumer.subscribe(List.of(topic));
            } else {
                consumer.assign(IntStream.range(0, partitions).mapToObj(p -> new TopicPartition(topic, p)).toList());
            }
            if (skip != null) {
                latencies = new long[(int) (wanted - begin)];
            }
            while (records < wanted) {
                ConsumerRecords<byte[], byte[]> polled = consumer.poll(Duration.ofSeconds(1));
                for (ConsumerRecord<byte[], byte[]> record : polled) {
                    if (records == begin) {
                        firstTicks = ticks();
                        firstAt = System.nanoTime();
                    }
                    if (skip != null && records >= begin && records < wanted) {
                        Instant now = Instant.now();
                        long micros = now.getEpochSecond() * 1_000_000 + now.getNano() / 1000;
                        latencies[(int) (records - begin)] = micros - ByteBuffer.wrap(record.value()).getLong();
                    }
                    records++;
                    keyBytes += record.key() == null ? 0 : record.key().length;
                    valueBytes += record.value() == null ? 0 : record.value().length;
                    touched += record.offset() + record.timestamp() + ends(record.key()) + ends(record.value());
                }
            }
            long lastAt = System.nanoTime();
            long[] lastTicks = ticks();
            Arrays.sort(latencies);
            return String.format(Locale.ROOT,
                "{\"records\":%d,\"key_bytes\":%d,\"value_bytes\":%d,\"touched\":\"%016x\",\"start_seconds\":%.6f,"
                    + "\"seconds\":%.6f,\"user_cpu_s\":%.3f,\"system_cpu_s\":%.3f,\"peak_rss_kib\":%d,"
                    + "\"bytes_received\":null,\"latency_p50_us\":%s,\"latency_p99_us\":%s}",
                records, keyBytes, valueBytes, touched, (firstAt - born) / 1e9, (lastAt - firstAt) / 1e9,
                (lastTicks[0] - firstTicks[0]) / 100.0, (lastTicks[1] - firstTicks[1]) / 100.0, peakRssKib(), latency(50), latency(99));
        }
    }

    private String latency(int percent) {
        return latencies.length == 0 ? "null" : String.valueOf(latencies[(latencies.length - 1) * percent / 100]);
    }

    private static long ends(byte[] bytes) {
        if (bytes == null || bytes.length == 0) {
            return 0;
        }
        return (bytes[0] & 0xffL) + (bytes[bytes.length - 1] & 0xffL);
    }

    /** User and system time of this process, in hundredths of a second. */
    private static long[] ticks() throws Exception {
        String stat = Files.readString(Path.of("/proc/self/stat"));
        String[] fields = stat.substring(stat.lastIndexOf(") ") + 2).split(" ");
        return new long[] {Long.parseLong(fields[11]), Long.parseLong(fields[12])};
    }

    private static long peakRssKib() throws Exception {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", ""));
            }
        }
        return 0;
    }
}
