import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Properties;
import java.util.Random;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Writes records of the kinds that readers stumble over. Argument: bootstrap. Each line of standard input is
 * "kind codec topic [count]"; topics exist already, all goes to partition 0, and "done" plus the line is the answer.
 *
 * Kinds: plain, simple (plain without a producer id), times, headers, big, batches, compacted, deleted, transactions, aborted, open, and "more", which appends
 * one record without anything special. Everything but the producer id is the same in every run.
 */
public class Writer {
    /** 2026-01-01T00:00:00Z. */
    static final long TIME = 1767225600000L;

    final String bootstrap;

    public static void main(String[] args) throws Exception {
        Writer writer = new Writer(args[0]);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.trim().split(" ");
            int count = words.length > 3 ? Integer.parseInt(words[3]) : 0;
            writer.write(words[0], words[1], words[2], count);
            System.out.println("done " + line.trim());
        }
        // Without closing what is open: its transactions must stay open.
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    Writer(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    void write(String kind, String codec, String topic, int count) throws Exception {
        switch (kind) {
            case "plain": send(codec, "0", plain(topic, count == 0 ? 12 : count)); break;
            case "simple": sendWith(producer(codec, "50", null, false), plain(topic, 12)); break;
            // A day later: segment.ms counts in the records' own time.
            case "more":
                send(codec, "0", Collections.singletonList(record(topic, TIME + 86_400_000L, bytes("more"), bytes("more"))));
                break;
            case "times": send(codec, "50", times(topic)); break;
            case "headers": send(codec, "50", headers(topic)); break;
            case "big": send(codec, "0", big(topic, count == 0 ? 100_000 : count)); break;
            case "batches": batches(codec, topic, count == 0 ? 5 : count); break;
            case "compacted": send(codec, "50", compacted(topic, count == 0 ? 40 : count)); break;
            case "deleted": deleted(codec, topic); break;
            case "transactions":
                transaction(codec, topic, "committed", "commit");
                transaction(codec, topic, "aborted", "abort");
                transaction(codec, topic, "committed too", "commit");
                transaction(codec, topic, "open", "leave");
                break;
            case "aborted":
                transaction(codec, topic, "aborted", "abort");
                transaction(codec, topic, "aborted too", "abort");
                break;
            case "open": transaction(codec, topic, "open", "leave"); break;
            default: throw new IllegalArgumentException(kind);
        }
    }

    KafkaProducer<byte[], byte[]> producer(String codec, String linger, String transactionalId) {
        return producer(codec, linger, transactionalId, true);
    }

    KafkaProducer<byte[], byte[]> producer(String codec, String linger, String transactionalId, boolean idempotent) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("compression.type", codec);
        properties.put("linger.ms", linger);
        properties.put("batch.size", "65536");
        properties.put("acks", "all");
        properties.put("max.request.size", "4194304");
        properties.put("enable.idempotence", Boolean.toString(idempotent));
        if (transactionalId != null) {
            properties.put("transactional.id", transactionalId);
            properties.put("transaction.timeout.ms", "900000");
        }
        return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    void send(String codec, String linger, List<ProducerRecord<byte[], byte[]>> records) throws Exception {
        sendWith(producer(codec, linger, null), records);
    }

    static void sendWith(KafkaProducer<byte[], byte[]> producer, List<ProducerRecord<byte[], byte[]>> records)
            throws Exception {
        try (KafkaProducer<byte[], byte[]> closed = producer) {
            List<java.util.concurrent.Future<?>> sent = new ArrayList<>();
            for (ProducerRecord<byte[], byte[]> record : records) {
                sent.add(producer.send(record));
            }
            producer.flush();
            for (java.util.concurrent.Future<?> one : sent) {
                one.get();
            }
        }
    }

    static ProducerRecord<byte[], byte[]> record(String topic, long time, byte[] key, byte[] value, Header... headers) {
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, 0, time, key, value);
        for (Header header : headers) {
            record.headers().add(header);
        }
        return record;
    }

    static Header header(String name, byte[] value) {
        return new RecordHeader(name, value);
    }

    static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    static List<ProducerRecord<byte[], byte[]>> plain(String topic, int count) {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int index = 0; index < count; index++) {
            long time = TIME + index * 1000L;
            switch (index % 6) {
                case 1: records.add(record(topic, time, null, bytes("no key"))); break;
                case 2: records.add(record(topic, time, bytes("no value"), null)); break;
                case 3: records.add(record(topic, time, null, null)); break;
                case 4: records.add(record(topic, time, bytes(""), bytes(""))); break;
                default:
                    String text = "letter " + index + ", lettre, dopis – žluťoučký kůň";
                    records.add(record(topic, time, bytes("k" + index), bytes(text)));
            }
        }
        return records;
    }

    static List<ProducerRecord<byte[], byte[]>> times(String topic) {
        // The epoch, out of order, year 2300 (past 64-bit nanoseconds), year 9999, and the largest there is.
        long[] times = {0, 1, TIME, TIME - 1, 10_413_792_000_000L, 253_402_300_799_999L, Long.MAX_VALUE, TIME};
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (long time : times) {
            records.add(record(topic, time, null, bytes(Long.toString(time))));
        }
        return records;
    }

    static List<ProducerRecord<byte[], byte[]>> headers(String topic) {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        records.add(record(topic, TIME, null, bytes("none")));
        records.add(record(topic, TIME, null, bytes("one"), header("a", bytes("1"))));
        records.add(record(topic, TIME, null, bytes("twice"),
            header("a", bytes("1")), header("b", bytes("2")), header("a", bytes("3")), header("a", bytes("1"))));
        records.add(record(topic, TIME, null, bytes("null and empty"),
            header("null", null), header("empty", new byte[0]), header("", bytes("no name")), header("", null)));
        records.add(record(topic, TIME, null, bytes("names"),
            header("jméno", bytes("kůň")), header("名前", bytes("x")), header("\u0000\t\"\\\u001b\u007f\ud83d\ude00", bytes("y"))));
        Header[] many = new Header[40];
        for (int index = 0; index < many.length; index++) {
            many[index] = header("h" + index, new byte[] {(byte) index, (byte) 0xff, 0});
        }
        records.add(record(topic, TIME, bytes("k"), null, many));
        records.add(record(topic, TIME, null, bytes("long"), header("long", new byte[300])));
        return records;
    }

    static List<ProducerRecord<byte[], byte[]>> big(String topic, int bytes) {
        // Each word many times: small once compressed, but not one run of one byte.
        Random random = new Random(1);
        StringBuilder text = new StringBuilder();
        while (text.length() < bytes) {
            String word = "word" + random.nextInt(8) + ' ';
            for (int again = random.nextInt(40); again >= 0; again--) {
                text.append(word);
            }
        }
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        records.add(record(topic, TIME, bytes("before"), bytes("small")));
        records.add(record(topic, TIME, bytes("big"), bytes(text.toString())));
        records.add(record(topic, TIME, bytes("after"), bytes("small")));
        return records;
    }

    /** Several batches of one producer. */
    void batches(String codec, String topic, int count) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer(codec, "1000", null)) {
            for (int batch = 0; batch < count; batch++) {
                for (int index = 0; index <= batch; index++) {
                    producer.send(record(topic, TIME + batch, bytes("k" + index), bytes(batch + "/" + index)));
                }
                producer.flush();
            }
        }
    }

    static List<ProducerRecord<byte[], byte[]>> compacted(String topic, int count) {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int index = 0; index < count; index++) {
            byte[] value = index % 7 == 6 ? null : bytes("value " + index);
            // "once" is there only once: it survives in the middle.
            records.add(record(topic, TIME + index, bytes(index % 10 == 5 ? "once " + index : "k" + index % 3), value));
        }
        return records;
    }

    void deleted(String codec, String topic) throws Exception {
        send(codec, "0", plain(topic, 20));
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        try (AdminClient admin = AdminClient.create(properties)) {
            admin.deleteRecords(Collections.singletonMap(new TopicPartition(topic, 0), RecordsToDelete.beforeOffset(7)))
                .all().get();
        }
    }

    void transaction(String codec, String topic, String what, String end) throws Exception {
        KafkaProducer<byte[], byte[]> producer = producer(codec, "50", topic + "-" + end + "-" + what);
        producer.initTransactions();
        producer.beginTransaction();
        for (int index = 0; index < 4; index++) {
            producer.send(record(topic, TIME + index, bytes("k" + index), bytes(what + " " + index)));
            if (index == 2) {
                producer.flush();
            }
        }
        producer.flush();
        switch (end) {
            case "commit": producer.commitTransaction(); break;
            case "abort": producer.abortTransaction(); break;
            default: return;
        }
        producer.close();
    }
}
