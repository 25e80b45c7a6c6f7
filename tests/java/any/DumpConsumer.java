import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Prints topics as Java reads them, one JSON object per record: each partition from its beginning to the end that it has
 * at the start, partitions in order.
 *
 * Arguments: bootstrap, isolation level (read_committed, read_uncommitted), then topics or topic:partition. "key=value"
 * among them is a property of the consumer.
 */
public class DumpConsumer {
    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        properties.put("isolation.level", args[1]);
        properties.put("enable.auto.commit", "false");
        properties.put("auto.offset.reset", "none");
        List<String> topics = new ArrayList<>();
        for (int index = 2; index < args.length; index++) {
            int equals = args[index].indexOf('=');
            if (equals > 0) {
                properties.put(args[index].substring(0, equals), args[index].substring(equals + 1));
            } else {
                topics.add(args[index]);
            }
        }
        PrintStream out =
            new PrintStream(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16), false, "UTF-8");
        try (KafkaConsumer<byte[], byte[]> consumer =
                 new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            for (String topic : topics) {
                for (TopicPartition partition : partitions(consumer, topic)) {
                    dump(consumer, partition, out);
                }
            }
        }
        out.flush();
    }

    static List<TopicPartition> partitions(KafkaConsumer<?, ?> consumer, String topic) {
        List<TopicPartition> partitions = new ArrayList<>();
        int colon = topic.indexOf(':');
        if (colon > 0) {
            int index = Integer.parseInt(topic.substring(colon + 1));
            partitions.add(new TopicPartition(topic.substring(0, colon), index));
            return partitions;
        }
        for (PartitionInfo info : consumer.partitionsFor(topic)) {
            partitions.add(new TopicPartition(topic, info.partition()));
        }
        partitions.sort((a, b) -> Integer.compare(a.partition(), b.partition()));
        return partitions;
    }

    static void dump(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition, PrintStream out) {
        List<TopicPartition> one = Collections.singletonList(partition);
        consumer.assign(one);
        consumer.seekToBeginning(one);
        long end = consumer.endOffsets(one).get(partition);
        long moved = System.nanoTime();
        long position = consumer.position(partition);
        while (position < end) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                if (record.offset() < end) {
                    print(record, out);
                }
            }
            long next = consumer.position(partition);
            if (next > position) {
                position = next;
                moved = System.nanoTime();
            } else if (System.nanoTime() - moved > 30_000_000_000L) {
                throw new IllegalStateException(partition + " stays at " + position + " although its end is " + end);
            }
        }
    }

    static void print(ConsumerRecord<byte[], byte[]> record, PrintStream out) {
        StringBuilder line = new StringBuilder(256);
        line.append("{\"topic\":").append(Json.string(record.topic()));
        line.append(",\"partition\":").append(record.partition());
        line.append(",\"offset\":").append(record.offset());
        line.append(",\"timestamp\":").append(record.timestamp());
        line.append(",\"timestamp_type\":").append(Json.string(type(record)));
        line.append(",\"leader_epoch\":").append(record.leaderEpoch().map(String::valueOf).orElse("null"));
        line.append(",\"key\":").append(Json.base64(record.key()));
        line.append(",\"value\":").append(Json.base64(record.value()));
        line.append(",\"headers\":[");
        String comma = "";
        for (Header header : record.headers()) {
            line.append(comma).append("{\"key\":").append(Json.string(header.key()));
            line.append(",\"value\":").append(Json.base64(header.value())).append('}');
            comma = ",";
        }
        out.print(line.append("]}\n"));
    }

    static String type(ConsumerRecord<?, ?> record) {
        switch (record.timestampType()) {
            case CREATE_TIME: return "create_time";
            case LOG_APPEND_TIME: return "log_append_time";
            default: return "none";
        }
    }
}
