import java.util.Collections;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Commits offsets of one partition in transactions, for a group without members. Arguments: bootstrap, group, topic, and then
 * "commit:offset", "abort:offset" or "open:offset", each in a transaction of its own.
 */
public class TxnOffsets {
    public static void main(String[] args) {
        for (int index = 3; index < args.length; index++) {
            String[] words = args[index].split(":");
            Properties properties = new Properties();
            properties.put("bootstrap.servers", args[0]);
            properties.put("transactional.id", args[1] + "-" + index);
            KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
            producer.initTransactions();
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(
                Collections.singletonMap(
                    new TopicPartition(args[2], 0), new OffsetAndMetadata(Long.parseLong(words[1]))),
                new ConsumerGroupMetadata(args[1]));
            switch (words[0]) {
                case "commit": producer.commitTransaction(); producer.close(); break;
                case "abort": producer.abortTransaction(); producer.close(); break;
                default: break;
            }
        }
        Runtime.getRuntime().halt(0);
    }
}
