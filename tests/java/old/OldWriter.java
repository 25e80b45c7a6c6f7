import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Constructor;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes what clients of 0.9 (magic 0) and 0.10 (magic 1) write. As with Writer, each line of standard input is
 * "kind codec topic"; kinds are plain, big, batches, compacted, and times (0.10 only). "more" appends one record.
 */
public class OldWriter {
    static final long TIME = 1767225600000L;

    public static void main(String[] args) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.trim().split(" ");
            write(args[0], words[0], words[1], words[2]);
            System.out.println("done " + line.trim());
        }
    }

    static void write(String bootstrap, String kind, String codec, String topic) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("compression.type", codec);
        properties.put("linger.ms", "50");
        properties.put("batch.size", "262144");
        properties.put("acks", "all");
        try (KafkaProducer<byte[], byte[]> producer =
                 new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            // The first send waits for metadata; what follows goes into one batch.
            producer.partitionsFor(topic);
            switch (kind) {
                case "plain":
                    for (int index = 0; index < 12; index++) {
                        send(producer, topic, TIME + index * 1000L, index);
                    }
                    break;
                case "times":
                    long[] times = {0, 1, TIME, TIME - 1, 10_413_792_000_000L};
                    for (int index = 0; index < times.length; index++) {
                        sent.add(producer.send(record(topic, times[index], null, bytes(Long.toString(times[index])))));
                    }
                    break;
                case "big":
                    Random random = new Random(1);
                    StringBuilder text = new StringBuilder();
                    while (text.length() < 70_000) {
                        String word = "word" + random.nextInt(8) + ' ';
                        for (int again = random.nextInt(40); again >= 0; again--) {
                            text.append(word);
                        }
                    }
                    sent.add(producer.send(record(topic, TIME, bytes("before"), bytes("small"))));
                    sent.add(producer.send(record(topic, TIME, bytes("big"), bytes(text.toString()))));
                    sent.add(producer.send(record(topic, TIME, bytes("after"), bytes("small"))));
                    break;
                case "more":
                    // A day later: segment.ms counts in the records' own time.
                    send(producer, topic, TIME + 86_400_000L, 0);
                    break;
                case "compacted":
                    for (int index = 0; index < 40; index++) {
                        byte[] key = bytes(index % 10 == 5 ? "once " + index : "k" + index % 3);
                        byte[] value = index % 7 == 6 ? null : bytes("value " + index);
                        sent.add(producer.send(record(topic, TIME + index, key, value)));
                    }
                    break;
                case "batches":
                    for (int batch = 0; batch < 4; batch++) {
                        for (int index = 0; index <= batch; index++) {
                            send(producer, topic, TIME + batch, index);
                        }
                        producer.flush();
                    }
                    break;
                default:
                    throw new IllegalArgumentException(kind);
            }
            producer.flush();
            for (Future<?> one : sent) {
                one.get();
            }
            sent.clear();
        }
    }

    static final List<Future<?>> sent = new ArrayList<>();

    static void send(KafkaProducer<byte[], byte[]> producer, String topic, long time, int index) {
        byte[] key = index % 3 == 1 ? null : bytes(index % 4 == 3 ? "" : "k" + index);
        byte[] value = index % 5 == 2 ? null : bytes("letter " + index + ", dopis – žluťoučký kůň");
        sent.add(producer.send(record(topic, time, key, value)));
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** 0.9 knows no timestamps. */
    @SuppressWarnings("unchecked")
    static ProducerRecord<byte[], byte[]> record(String topic, long time, byte[] key, byte[] value) {
        try {
            Constructor<?> constructor = ProducerRecord.class.getConstructor(
                String.class, Integer.class, Long.class, Object.class, Object.class);
            return (ProducerRecord<byte[], byte[]>) constructor.newInstance(topic, 0, time, key, value);
        } catch (NoSuchMethodException tooOld) {
            return new ProducerRecord<>(topic, 0, key, value);
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }
}
