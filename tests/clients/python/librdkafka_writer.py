"""Writes what librdkafka writes. Argument: bootstrap. Each line of standard input is "kind codec topic [count]"; all
goes to partition 0, and "done" plus the line is the answer. Kinds: plain, headers, times, big, batches, transactions."""

import os
import random
import sys

from confluent_kafka import Producer

TIME = 1767225600000


def producer(bootstrap, codec, **more):
    settings = {
        "bootstrap.servers": bootstrap,
        "compression.codec": codec,
        "enable.idempotence": True,
        "linger.ms": 100,
        "message.max.bytes": 4194304,
    }
    settings.update(more)
    return Producer(settings)


def plain(count=12):
    for index in range(count):
        if index % 6 == 1:
            yield None, b"no key", None, TIME + index
        elif index % 6 == 2:
            yield b"no value", None, None, TIME + index
        elif index % 6 == 3:
            yield None, None, None, TIME + index
        elif index % 6 == 4:
            yield b"", b"", None, TIME + index
        else:
            text = f"letter {index}, dopis – žluťoučký kůň".encode()
            yield b"k%d" % index, text, None, TIME + index


def headers():
    yield None, b"one", [("a", b"1")], TIME
    yield None, b"twice", [("a", b"1"), ("b", b"2"), ("a", b"3")], TIME
    yield None, b"null and empty", [("null", None), ("empty", b""), ("", b"no name")], TIME
    yield None, b"names", [("jméno", b"k"), ("名前", b"\xff\x00")], TIME
    yield b"k", None, [("h%d" % index, b"%d" % index) for index in range(40)], TIME


def times():
    # 0 means "now" to librdkafka; what is before the epoch it sends as it is.
    for time in (1, TIME, TIME - 1, 10413792000000, -5):
        yield None, str(time).encode(), None, time


def big(count):
    chance = random.Random(1)
    words = []
    size = 0
    while size < count:
        again = chance.randrange(1, 40)
        words += ["word%d" % chance.randrange(8)] * again
        size += 6 * again
    yield b"before", b"small", None, TIME
    yield b"big", " ".join(words).encode(), None, TIME
    yield b"after", b"small", None, TIME


def send(writer, topic, records):
    failed = []

    def report(error, _message):
        if error is not None:
            failed.append(str(error))

    for key, value, some, time in records:
        writer.produce(topic, value, key, 0, headers=some, timestamp=time, on_delivery=report)
    writer.flush(30)
    if failed:
        raise RuntimeError("%s: %s" % (topic, failed))


def write(bootstrap, kind, codec, topic, count):
    if kind in ("plain", "headers", "times"):
        send(writer_of(bootstrap, codec), topic, {"plain": plain, "headers": headers, "times": times}[kind]())
    elif kind == "big":
        send(writer_of(bootstrap, codec), topic, big(count or 12000))
    elif kind == "batches":
        for batch in range(4):
            send(writer_of(bootstrap, codec), topic, list(plain(batch + 1)))
    elif kind == "transactions":
        for name, end in (("committed", "commit"), ("aborted", "abort"), ("again", "commit"), ("open", "leave")):
            more = {"transactional.id": topic + "-" + name, "transaction.timeout.ms": 900000}
            writer = producer(bootstrap, codec, **more)
            writer.init_transactions(30)
            writer.begin_transaction()
            send(writer, topic, [(b"k%d" % index, name.encode(), None, TIME + index) for index in range(3)])
            if end == "commit":
                writer.commit_transaction(30)
            elif end == "abort":
                writer.abort_transaction(30)
            else:
                OPEN.append(writer)
    else:
        raise ValueError(kind)


def writer_of(bootstrap, codec):
    # Half a second passes until a new one has its producer id.
    if codec not in WRITERS:
        WRITERS[codec] = producer(bootstrap, codec)
    return WRITERS[codec]


WRITERS = {}

# Not collected: a transaction must stay open.
OPEN = []


def main():
    for line in sys.stdin:
        words = line.split()
        write(sys.argv[1], words[0], words[1], words[2], int(words[3]) if len(words) > 3 else 0)
        print("done", line.strip(), flush=True)
    os._exit(0)


main()
