"""Writes what kafka-python writes. Argument: bootstrap. Each line of standard input is "kind codec topic"; all goes to
partition 0, and "done" plus the line is the answer. Kinds: plain, headers, times, batches."""

import sys

from kafka import KafkaProducer

TIME = 1767225600000


def plain(count=12):
    # It refuses a null key with a null value.
    for index in range(count):
        if index % 6 == 1:
            yield None, b"no key", [], TIME + index
        elif index % 6 == 2:
            yield b"no value", None, [], TIME + index
        elif index % 6 == 4:
            yield b"", b"", [], TIME + index
        else:
            yield b"k%d" % index, f"letter {index}, dopis – žluťoučký kůň".encode(), [], TIME + index


def headers():
    # It refuses null header values.
    yield None, b"one", [("a", b"1")], TIME
    yield None, b"twice", [("a", b"1"), ("b", b"2"), ("a", b"3")], TIME
    yield None, b"empty", [("empty", b""), ("", b"no name")], TIME
    yield None, b"names", [("jméno", b"k"), ("名前", b"\xff\x00")], TIME


def times():
    for time in (0, 1, TIME, TIME - 1, 10413792000000):
        yield None, str(time).encode(), [], time


def write(bootstrap, kind, codec, topic):
    writer = KafkaProducer(
        bootstrap_servers=bootstrap,
        compression_type=None if codec == "none" else codec,
        linger_ms=100,
        acks="all",
    )
    writer.partitions_for(topic)
    batches = [list(plain(batch + 1)) for batch in range(4)]
    if kind != "batches":
        batches = [{"plain": plain, "headers": headers, "times": times}[kind]()]
    for batch in batches:
        sent = [
            writer.send(topic, value, key, some, 0, time)
            for key, value, some, time in batch
        ]
        writer.flush()
        for one in sent:
            one.get(30)
    writer.close()


def main():
    for line in sys.stdin:
        words = line.split()
        write(sys.argv[1], words[0], words[1], words[2])
        print("done", line.strip(), flush=True)


main()
