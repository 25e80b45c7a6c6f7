"""A session of librdkafka with a cluster: what it meets is printed, one line of JSON per step, without times and addresses.
The same lines come from every cluster that behaves the same. Argument: bootstrap. The topics are created here."""

import json
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

DEADLINE = 60
BOOTSTRAP = sys.argv[1]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def say(step, **facts):
    print(json.dumps({"step": step, **facts}, sort_keys=True), flush=True)


def admin():
    client = AdminClient({"bootstrap.servers": BOOTSTRAP})
    wanted = [NewTopic("session", 4, 1), NewTopic("txn", 1, 1), NewTopic("bad name", 1, 1)]
    for topic, future in client.create_topics(wanted).items():
        try:
            say("create", topic=topic, error=future.result())
        except Exception as error:
            say("create", topic=topic, error=error.args[0].name())
    topics = client.list_topics(timeout=DEADLINE).topics
    say("metadata", partitions={name: len(topics[name].partitions) for name in ("session", "txn")})


def produce():
    for codec in CODECS:
        producer = Producer({
            "bootstrap.servers": BOOTSTRAP, "enable.idempotence": True, "compression.codec": codec, "linger.ms": 5,
        })
        written = []
        for index in range(200):
            producer.produce(
                "session", key=str(index).encode(), value=f"{codec} {index} ".encode() * 5, partition=index % 4,
                headers=[("codec", codec.encode())], on_delivery=lambda error, message: written.append(
                    (str(error), message.partition(), message.offset())),
            )
        left = producer.flush(DEADLINE)
        say("produce", codec=codec, left=left, written=sorted(written))


def offsets():
    client = AdminClient({"bootstrap.servers": BOOTSTRAP})
    for name, spec in (("earliest", OffsetSpec.earliest()), ("latest", OffsetSpec.latest())):
        asked = {TopicPartition("session", partition): spec for partition in range(4)}
        found = {tp.partition: future.result().offset for tp, future in client.list_offsets(asked).items()}
        say("offsets", spec=name, found=found)


class Member:
    """A consumer of a group that remembers what it was given."""

    def __init__(self, group, **more):
        self.owned = set()
        self.records = []
        self.closing = False
        self.consumer = Consumer({
            "bootstrap.servers": BOOTSTRAP, "group.id": group, "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "isolation.level": "read_committed", **more,
        })

    def subscribe(self, topic):
        def assigned(consumer, partitions):
            self.owned |= {partition.partition for partition in partitions}

        def revoked(consumer, partitions):
            # While it closes, librdkafka may refuse to commit (_DESTROY): that was done before.
            if not self.closing:
                self.commit()
            self.owned -= {partition.partition for partition in partitions}

        self.consumer.subscribe([topic], on_assign=assigned, on_revoke=revoked)

    def poll(self):
        message = self.consumer.poll(0.05)
        if message is not None and message.error() is None:
            self.records.append((message.partition(), message.offset(), message.value().decode()))

    def close(self):
        self.commit()
        self.closing = True
        self.consumer.close()

    def commit(self):
        try:
            self.consumer.commit(asynchronous=False)
        except Exception as error:
            # Nothing to commit.
            assert error.args[0].name() == "_NO_OFFSET", error


def until(members, done):
    end = time.monotonic() + DEADLINE
    while not done():
        for member in members:
            member.poll()
        if time.monotonic() > end:
            say("timeout", owned=[sorted(member.owned) for member in members],
                records=[len(member.records) for member in members])
            sys.exit(1)


def group(name, protocol):
    """One member reads everything; a second one comes, shares, and stays alone."""
    first = Member(name, **protocol)
    first.subscribe("session")
    until([first], lambda: len(first.records) == 1000)
    first.commit()
    say("group", name=name, owned=sorted(first.owned), records=sorted(first.records)[:3],
        different=len(set(first.records)))
    second = Member(name, **protocol)
    second.subscribe("session")
    until([first, second], lambda: len(first.owned) == 2 and len(second.owned) == 2)
    say("rebalance", name=name, together=sorted(first.owned | second.owned),
        again=len(first.records) - 1000 + len(second.records))
    first.close()
    until([second], lambda: len(second.owned) == 4)
    committed = second.consumer.committed([TopicPartition("session", partition) for partition in range(4)], DEADLINE)
    say("left", name=name, owned=sorted(second.owned), committed=[partition.offset for partition in committed])
    second.close()


def transactions():
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "transactional.id": "session"})
    producer.init_transactions(DEADLINE)
    for outcome in ("aborted", "committed"):
        producer.begin_transaction()
        for index in range(5):
            producer.produce("txn", value=f"{outcome} {index}".encode(), partition=0)
        if outcome == "aborted":
            producer.flush(DEADLINE)
            producer.abort_transaction(DEADLINE)
        else:
            producer.commit_transaction(DEADLINE)
    member = Member("txn-readers")
    member.subscribe("txn")
    until([member], lambda: len(member.records) >= 5)
    say("read_committed", records=member.records)
    producer.begin_transaction()
    producer.produce("txn", value=b"with offsets", partition=0)
    positions = member.consumer.position(member.consumer.assignment())
    producer.send_offsets_to_transaction(positions, member.consumer.consumer_group_metadata(), DEADLINE)
    producer.commit_transaction(DEADLINE)
    committed = member.consumer.committed([TopicPartition("txn", 0)], DEADLINE)
    say("offsets in a transaction", position=[partition.offset for partition in positions],
        committed=[partition.offset for partition in committed])
    # Its offsets went with the transaction.
    member.closing = True
    member.consumer.close()


def fenced():
    """A second producer with the same transactional id fences the first."""
    settings = {"bootstrap.servers": BOOTSTRAP, "transactional.id": "fenced"}
    first, second = Producer(settings), Producer(settings)
    first.init_transactions(DEADLINE)
    first.begin_transaction()
    first.produce("txn", value=b"of the first", partition=0)
    first.flush(DEADLINE)
    second.init_transactions(DEADLINE)
    try:
        first.commit_transaction(DEADLINE)
        say("fenced", error=None)
    except Exception as error:
        say("fenced", error=error.args[0].name(), fatal=error.args[0].fatal())


admin()
produce()
offsets()
group("classic", {})
group("cooperative", {"partition.assignment.strategy": "cooperative-sticky"})
group("consumer", {"group.protocol": "consumer"})
transactions()
fenced()
