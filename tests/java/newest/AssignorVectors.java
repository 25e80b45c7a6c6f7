import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
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
import org.apache.kafka.common.TopicPartition;

/**
 * Runs Java's assignors on random groups that live through several rebalances, and prints what went in and what came
 * out, one JSON object per line.
 *
 * Arguments: assignor (range, roundrobin, sticky, cooperative-sticky), number of groups, seed, "racks" or "plain";
 * or "protocol" and a seed, for the serialized forms alone.
 */
public class AssignorVectors {
    static final String[] TOPICS = {"orders", "a", "b", "Zebra", "t-10", "t-2", "orders.dlq"};
    static final String[] MEMBERS = {"milena-1", "milena-2", "c", "A", "consumer-9f", "consumer-10", "z0"};
    static final String[] RACKS = {"r1", "r2", "r3"};

    public static void main(String[] args) {
        if (args[0].equals("protocol")) {
            protocol(new Random(Long.parseLong(args[1])));
            return;
        }
        String assignor = args[0];
        int groups = Integer.parseInt(args[1]);
        Random random = new Random(Long.parseLong(args[2]));
        boolean racks = args[3].equals("racks");
        for (int group = 0; group < groups; group++) {
            new Group(assignor, group, random, racks).live();
        }
    }

    /** One member with an assignor of its own, as every Java client has. */
    static class Member {
        final String id;
        final String instance;
        final String rack;
        /** Of its serialized subscription; 3 is what this client writes, older clients are in the same group. */
        final short version;
        final ConsumerPartitionAssignor assignor;
        TreeSet<String> topics = new TreeSet<>();
        List<TopicPartition> owned = new ArrayList<>();
        List<TopicPartition> ownedBefore = new ArrayList<>();
        int generation = -1;

        Member(String id, String instance, String rack, short version, ConsumerPartitionAssignor assignor) {
            this.id = id;
            this.instance = instance;
            this.rack = rack;
            this.version = version;
            this.assignor = assignor;
        }

        /** As in ConsumerCoordinator.metadata(): sorted topics, the assignor's user data, what is owned, since when. */
        ByteBuffer serialized() {
            return ConsumerProtocol.serializeSubscription(new Subscription(
                new ArrayList<>(topics), assignor.subscriptionUserData(new HashSet<>(topics)), owned, generation,
                Optional.ofNullable(rack)), version);
        }
    }

    static class Group {
        final String name;
        final int number;
        final Random random;
        final boolean racks;
        final Map<String, Integer> partitions = new TreeMap<>();
        final Map<String, List<List<String>>> rackLists = new TreeMap<>();
        final Map<String, Member> members = new LinkedHashMap<>();

        Group(String name, int number, Random random, boolean racks) {
            this.name = name;
            this.number = number;
            this.random = random;
            this.racks = racks;
        }

        void live() {
            int topics = 1 + random.nextInt(3);
            while (partitions.size() < topics) {
                grow(TOPICS[random.nextInt(TOPICS.length)], random.nextInt(8) == 0 ? 0 : 1 + random.nextInt(7));
            }
            int size = 1 + random.nextInt(4);
            boolean sameTopics = random.nextInt(3) > 0;
            while (members.size() < size) {
                join(sameTopics);
            }
            boolean sticky = name.endsWith("sticky");
            int rounds = sticky ? 1 + random.nextInt(6) : 1;
            for (int round = 0; round < rounds; round++) {
                if (round > 0) {
                    change(sameTopics);
                }
                rebalance(round);
            }
        }

        void grow(String topic, int count) {
            List<List<String>> lists = rackLists.computeIfAbsent(topic, key -> new ArrayList<>());
            while (lists.size() < count) {
                List<String> replicas = new ArrayList<>(List.of(RACKS));
                Collections.shuffle(replicas, random);
                lists.add(replicas.subList(0, 1 + random.nextInt(2)));
            }
            partitions.put(topic, lists.size());
        }

        void join(boolean sameTopics) {
            String id = MEMBERS[random.nextInt(MEMBERS.length)];
            if (members.containsKey(id)) {
                return;
            }
            String instance = random.nextInt(4) == 0 ? "i-" + random.nextInt(90) + id.charAt(0) : null;
            String rack = racks && random.nextInt(5) > 0 ? RACKS[random.nextInt(RACKS.length)] : null;
            short version = (short) (random.nextInt(6) > 0 ? 3 : random.nextInt(3));
            Member member = new Member(id, instance, rack, version, assignor());
            subscribe(member, sameTopics);
            members.put(id, member);
        }

        void subscribe(Member member, boolean sameTopics) {
            member.topics.clear();
            for (String topic : partitions.keySet()) {
                if (sameTopics || random.nextInt(3) > 0) {
                    member.topics.add(topic);
                }
            }
            if (!sameTopics && random.nextInt(6) == 0) {
                member.topics.add("no-such-topic");
            }
        }

        ConsumerPartitionAssignor assignor() {
            switch (name) {
                case "range": return new RangeAssignor();
                case "roundrobin": return new RoundRobinAssignor();
                case "sticky": return new StickyAssignor();
                default: return new CooperativeStickyAssignor();
            }
        }

        /** What makes a group rebalance. */
        void change(boolean sameTopics) {
            List<Member> all = new ArrayList<>(members.values());
            Member one = all.get(random.nextInt(all.size()));
            switch (random.nextInt(7)) {
                case 0:
                    if (all.size() > 1) {
                        members.remove(one.id);
                        break;
                    }
                    join(sameTopics);
                    break;
                case 1:
                    String topic = new ArrayList<>(partitions.keySet()).get(random.nextInt(partitions.size()));
                    grow(topic, partitions.get(topic) + 1 + random.nextInt(3));
                    break;
                case 2:
                    // Fell out of the group: owns nothing and knows no generation.
                    one.owned = new ArrayList<>();
                    one.generation = -1;
                    break;
                case 3:
                    subscribe(one, sameTopics);
                    one.owned.removeIf(partition -> !one.topics.contains(partition.topic()));
                    break;
                case 4:
                    // Missed the last rebalance: claims what it had before, and others may own that by now.
                    if (one.generation > 0) {
                        one.generation--;
                        one.owned = one.ownedBefore;
                    }
                    break;
                case 5:
                    break;
                default:
                    join(sameTopics);
            }
        }

        void rebalance(int round) {
            Map<String, Subscription> subscriptions = new HashMap<>();
            Map<String, ByteBuffer> sent = new HashMap<>();
            for (Member member : members.values()) {
                // What the leader sees has been over the wire: owned partitions are grouped by topic and sorted.
                sent.put(member.id, member.serialized());
                Subscription subscription = ConsumerProtocol.deserializeSubscription(sent.get(member.id).duplicate());
                subscription.setGroupInstanceId(Optional.ofNullable(member.instance));
                subscriptions.put(member.id, subscription);
            }
            boolean hex = number % 5 == 0;
            StringBuilder line = new StringBuilder("{\"group\":" + number + ",\"round\":" + round + ",\"topics\":{");
            String comma = "";
            for (Map.Entry<String, Integer> topic : partitions.entrySet()) {
                line.append(comma).append(quote(topic.getKey())).append(':');
                line.append(racks ? rackJson(rackLists.get(topic.getKey())) : topic.getValue());
                comma = ",";
            }
            line.append("},\"members\":[");
            comma = "";
            for (Member member : members.values()) {
                Subscription subscription = subscriptions.get(member.id);
                line.append(comma).append("{\"id\":").append(quote(member.id));
                if (member.instance != null) {
                    line.append(",\"instance\":").append(quote(member.instance));
                }
                if (member.rack != null) {
                    line.append(",\"rack\":").append(quote(member.rack));
                }
                line.append(",\"topics\":").append(quote(subscription.topics()));
                if (name.endsWith("sticky")) {
                    line.append(",\"owned\":").append(json(subscription.ownedPartitions()));
                    line.append(",\"generation\":").append(subscription.generationId().orElse(-1));
                }
                if (member.version != 3) {
                    line.append(",\"version\":").append(member.version);
                }
                if (subscription.userData() != null) {
                    line.append(",\"user_data\":").append(quote(hex(subscription.userData())));
                }
                if (hex) {
                    line.append(",\"hex\":").append(quote(hex(sent.get(member.id))));
                }
                line.append('}');
                comma = ",";
            }
            Map<String, Assignment> result =
                assignor().assign(cluster(), new GroupSubscription(subscriptions)).groupAssignment();
            line.append("],\"assigned\":{");
            comma = "";
            for (Map.Entry<String, Assignment> entry : new TreeMap<>(result).entrySet()) {
                line.append(comma).append(quote(entry.getKey())).append(':').append(json(entry.getValue().partitions()));
                comma = ",";
            }
            line.append('}');
            if (hex) {
                line.append(",\"hex\":{");
                comma = "";
                for (Map.Entry<String, Assignment> entry : new TreeMap<>(result).entrySet()) {
                    line.append(comma).append(quote(entry.getKey())).append(':');
                    line.append(quote(hex(ConsumerProtocol.serializeAssignment(entry.getValue()))));
                    comma = ",";
                }
                line.append('}');
            }
            System.out.println(line.append('}'));

            int generation = number % 3 * 1000 + round + 1;
            for (Member member : members.values()) {
                Assignment assignment = ConsumerProtocol.deserializeAssignment(
                    ConsumerProtocol.serializeAssignment(result.get(member.id)));
                member.ownedBefore = member.owned;
                member.owned = new ArrayList<>(assignment.partitions());
                member.generation = generation;
                member.assignor.onAssignment(assignment, new ConsumerGroupMetadata(
                    "g", generation, member.id, Optional.ofNullable(member.instance)));
            }
        }

        Cluster cluster() {
            Map<String, Node> nodes = new TreeMap<>();
            for (String rack : RACKS) {
                nodes.put(rack, new Node(nodes.size(), "host", 9092, racks ? rack : null));
            }
            List<PartitionInfo> infos = new ArrayList<>();
            rackLists.forEach((topic, lists) -> {
                for (int index = 0; index < lists.size(); index++) {
                    Node[] replicas = lists.get(index).stream().map(nodes::get).toArray(Node[]::new);
                    infos.add(new PartitionInfo(topic, index, replicas[0], replicas, replicas));
                }
            });
            return new Cluster("c", nodes.values(), infos, Set.of(), Set.of());
        }
    }

    /** The serialized forms in every version. */
    static void protocol(Random random) {
        for (int number = 0; number < 16; number++) {
            List<String> topics = new ArrayList<>();
            List<TopicPartition> owned = new ArrayList<>();
            for (int topic = random.nextInt(4); topic > 0; topic--) {
                String name = topic + TOPICS[random.nextInt(TOPICS.length)];
                topics.add(name);
                for (int index = random.nextInt(4); index > 0; index--) {
                    owned.add(new TopicPartition(name, random.nextInt(200)));
                }
            }
            byte[] data = random.nextBoolean() ? null : new byte[random.nextInt(6)];
            if (data != null) {
                random.nextBytes(data);
            }
            ByteBuffer userData = data == null ? null : ByteBuffer.wrap(data);
            int generation = random.nextInt(4) - 1;
            String rack = random.nextBoolean() ? null : RACKS[random.nextInt(RACKS.length)];
            String data_json = data == null ? "null" : quote(hex(ByteBuffer.wrap(data)));
            for (short version = 0; version <= 3; version++) {
                Subscription subscription =
                    new Subscription(topics, userData, owned, generation, Optional.ofNullable(rack));
                System.out.println("{\"kind\":\"subscription\",\"version\":" + version + ",\"topics\":" + quote(topics)
                    + ",\"user_data\":" + data_json + ",\"owned\":" + json(owned) + ",\"generation\":" + generation
                    + ",\"rack\":" + (rack == null ? "null" : quote(rack))
                    + ",\"hex\":" + quote(hex(ConsumerProtocol.serializeSubscription(subscription, version))) + "}");
                System.out.println("{\"kind\":\"assignment\",\"version\":" + version + ",\"assigned\":" + json(owned)
                    + ",\"user_data\":" + data_json + ",\"hex\":"
                    + quote(hex(ConsumerProtocol.serializeAssignment(new Assignment(owned, userData), version))) + "}");
            }
        }
    }

    static String rackJson(List<List<String>> lists) {
        List<String> each = new ArrayList<>();
        lists.forEach(list -> each.add(quote(list)));
        return "[" + String.join(",", each) + "]";
    }

    /** Partitions in their order, equal topics together. */
    static String json(List<TopicPartition> partitions) {
        Map<String, List<Integer>> topics = new LinkedHashMap<>();
        for (TopicPartition partition : partitions) {
            topics.computeIfAbsent(partition.topic(), key -> new ArrayList<>()).add(partition.partition());
        }
        StringBuilder out = new StringBuilder("{");
        for (Map.Entry<String, List<Integer>> topic : topics.entrySet()) {
            out.append(out.length() > 1 ? "," : "").append(quote(topic.getKey())).append(':');
            out.append(topic.getValue().toString().replace(" ", ""));
        }
        return out.append('}').toString();
    }

    static String quote(List<String> texts) {
        List<String> quoted = new ArrayList<>();
        texts.forEach(text -> quoted.add(quote(text)));
        return "[" + String.join(",", quoted) + "]";
    }

    static String quote(String text) {
        return '"' + text + '"';
    }

    static String hex(ByteBuffer buffer) {
        ByteBuffer bytes = buffer.duplicate();
        StringBuilder out = new StringBuilder();
        while (bytes.hasRemaining()) {
            out.append(String.format("%02x", bytes.get()));
        }
        return out.toString();
    }
}
