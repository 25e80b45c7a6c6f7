import java.nio.charset.StandardCharsets;
import java.util.Properties;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes a topic: BOOTSTRAP TOPIC PARTITIONS RECORDS VALUE_BYTES COMPRESSION.
 *
 * Every value is a line of JSON of exactly VALUE_BYTES bytes: a number, a random id, a place, an amount, and words out of
 * two hundred to fill it. Keys are eight bytes. The same arguments give the same keys and values. Partitions take turns,
 * batches are 64 KiB.
 */
public final class WriteTopic {
    private static final int WORDS = 200;

    public static void main(String[] args) throws Exception {
        int partitions = Integer.parseInt(args[2]);
        long records = Long.parseLong(args[3]);
        int valueBytes = Integer.parseInt(args[4]);
        Properties config = new Properties();
        config.put("bootstrap.servers", args[0]);
        config.put("compression.type", args[5]);
        config.put("batch.size", "65536");
        config.put("linger.ms", "20");
        config.put("buffer.memory", "67108864");
        config.put("enable.idempotence", "false");
        config.put("acks", "1");
        config.put("key.serializer", ByteArraySerializer.class.getName());
        config.put("value.serializer", ByteArraySerializer.class.getName());
        SplittableRandom random = new SplittableRandom(7);
        String[] words = new String[WORDS];
        for (int i = 0; i < WORDS; i++) {
            StringBuilder word = new StringBuilder();
            for (int letters = 3 + random.nextInt(7); letters > 0; letters--) {
                word.append((char) ('a' + random.nextInt(26)));
            }
            words[i] = word.toString();
        }
        AtomicReference<Exception> failure = new AtomicReference<>();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config)) {
            for (long number = 0; number < records; number++) {
                byte[] key = Integer.toHexString(random.nextInt() | 0x10000000).getBytes(StandardCharsets.US_ASCII);
                byte[] value = value(number, valueBytes, words, random);
                producer.send(new ProducerRecord<>(args[1], (int) (number % partitions), key, value),
                    (metadata, exception) -> {
                        if (exception != null) {
                            failure.set(exception);
                        }
                    });
            }
        }
        if (failure.get() != null) {
            throw failure.get();
        }
    }

    private static byte[] value(long number, int bytes, String[] words, SplittableRandom random) {
        StringBuilder line = new StringBuilder(bytes + 16);
        line.append("{\"n\":").append(number).append(",\"id\":\"").append(Long.toHexString(random.nextLong()))
            .append("\",\"at\":\"").append(words[random.nextInt(16)]).append("\",\"sum\":")
            .append(random.nextInt(100000)).append(",\"text\":\"");
        while (line.length() < bytes - 2) {
            line.append(words[random.nextInt(WORDS)]).append(' ');
        }
        line.setLength(bytes - 2);
        return line.append("\"}").toString().getBytes(StandardCharsets.US_ASCII);
    }
}
