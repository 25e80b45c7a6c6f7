import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Assignment;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.GroupSubscription;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.clients.consumer.internals.ConsumerProtocol;
import org.apache.kafka.common.Cluster;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;

/**
 * Answers, line by line, what Java's assignors make of what a group's leader is given.
 *
 * A line in: fields with tabs between them. The assignor; the generation; the topics, each "name=racks;racks;…" with one
 * "rack+rack" per partition (a rack may be empty: not known), spaces between topics; then one field per member: "id
 * instance hex", where instance may be empty and hex is its subscription as it stands in JoinGroup.
 *
 * A line out: for each member, in the order in which they came first, its assignment as it stands in SyncGroup, and, after
 * a space, its subscription as it would stand in the next JoinGroup, in hex and with tabs between members. An assignor
 * that throws: "threw" and what.
 */
public class AssignorAnswers {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer;
            try {
                answer = answer(line.split("\t", -1));
            } catch (RuntimeException error) {
                answer = "threw " + error;
            }
            out.write(answer);
            out.write('\n');
        }
        out.flush();
    }

    static String answer(String[] fields) {
        String name = fields[0];
        int generation = Integer.parseInt(fields[1]);
        Cluster cluster = cluster(fields[2]);
        // As ConsumerCoordinator.onLeaderElected fills its map from the answer to JoinGroup.
        Map<String, Subscription> subscriptions = new HashMap<>();
        Map<String, Subscription> listed = new LinkedHashMap<>();
        for (int at = 3; at < fields.length; at++) {
            String[] member = fields[at].split(" ", -1);
            Subscription subscription = ConsumerProtocol.deserializeSubscription(unhex(member[2]));
            subscription.setGroupInstanceId(member[1].isEmpty() ? Optional.empty() : Optional.of(member[1]));
            subscriptions.put(member[0], subscription);
            listed.put(member[0], subscription);
        }
        Map<String, Assignment> assigned =
            assignor(name).assign(cluster, new GroupSubscription(subscriptions)).groupAssignment();
        StringBuilder line = new StringBuilder();
        for (Map.Entry<String, Subscription> member : listed.entrySet()) {
            ByteBuffer sent = ConsumerProtocol.serializeAssignment(assigned.get(member.getKey()));
            line.append(line.length() == 0 ? "" : "\t").append(hex(sent)).append(' ');
            Assignment assignment = ConsumerProtocol.deserializeAssignment(sent.duplicate());
            ConsumerPartitionAssignor assignor = assignor(name);
            assignor.onAssignment(assignment, new ConsumerGroupMetadata(
                "g", generation, member.getKey(), member.getValue().groupInstanceId()));
            List<String> topics = member.getValue().topics();
            ByteBuffer userData = assignor.subscriptionUserData(new HashSet<>(topics));
            line.append(hex(ConsumerProtocol.serializeSubscription(new Subscription(
                topics, userData, assignment.partitions(), generation, member.getValue().rackId()))));
        }
        return line.toString();
    }

    static ConsumerPartitionAssignor assignor(String name) {
        switch (name) {
            case "range": return new RangeAssignor();
            case "roundrobin": return new RoundRobinAssignor();
            case "sticky": return new StickyAssignor();
            case "cooperative-sticky": return new CooperativeStickyAssignor();
            default: throw new IllegalArgumentException(name);
        }
    }

    static Cluster cluster(String field) {
        Map<String, Node> nodes = new LinkedHashMap<>();
        List<PartitionInfo> infos = new ArrayList<>();
        for (String topic : field.isEmpty() ? new String[0] : field.split(" ", -1)) {
            String[] named = topic.split("=", -1);
            String[] partitions = named[1].split(";", -1);
            for (int index = 0; index < partitions.length; index++) {
                String[] racks = partitions[index].split("\\+", -1);
                Node[] replicas = new Node[racks.length];
                for (int replica = 0; replica < racks.length; replica++) {
                    String rack = racks[replica];
                    replicas[replica] = nodes.computeIfAbsent(rack, key ->
                        new Node(nodes.size(), "host", 9092, key.isEmpty() ? null : key));
                }
                infos.add(new PartitionInfo(named[0], index, replicas[0], replicas, replicas));
            }
        }
        return new Cluster("c", nodes.values(), infos, Set.of(), Set.of());
    }

    static String hex(ByteBuffer buffer) {
        StringBuilder out = new StringBuilder();
        for (int at = buffer.position(); at < buffer.limit(); at++) {
            out.append(Character.forDigit(buffer.get(at) >> 4 & 15, 16)).append(Character.forDigit(buffer.get(at) & 15, 16));
        }
        return out.toString();
    }

    static ByteBuffer unhex(String hex) {
        ByteBuffer bytes = ByteBuffer.allocate(hex.length() / 2);
        for (int at = 0; at < hex.length(); at += 2) {
            bytes.put((byte) Integer.parseInt(hex.substring(at, at + 2), 16));
        }
        bytes.flip();
        return bytes;
    }
}
