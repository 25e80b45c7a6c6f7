"""A member of a consumer group that reads with librdkafka; its events look as those of tests/java/any/GroupConsumer.java.

Arguments: bootstrap, group, topics (with commas), then "key=value": properties of librdkafka, and of this program "mode"
(none, sync: when it commits) and "delay" (milliseconds of work per record). Standard input: "close"; its end closes, too."""

import json
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException


def say(event, **more):
    print(json.dumps({"time": int(time.time() * 1000), "event": event, **more}), flush=True)


def pairs(partitions):
    return [[one.topic, one.partition] for one in partitions]


def main():
    settings = {
        "bootstrap.servers": sys.argv[1],
        "group.id": sys.argv[2],
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
    }
    settings.update(argument.split("=", 1) for argument in sys.argv[4:])
    mode = settings.pop("mode", "none")
    delay = int(settings.pop("delay", "0")) / 1000
    closing = threading.Event()

    def listen():
        for line in sys.stdin:
            if line.strip() == "close":
                break
        closing.set()

    threading.Thread(target=listen, daemon=True).start()
    consumer = Consumer(settings)

    def commit():
        try:
            for one in consumer.commit(asynchronous=False):
                kind = "commit_failed" if one.error else "committed"
                say(kind, topic=one.topic, partition=one.partition, offset=one.offset)
        except KafkaException as error:
            # Nothing new to commit is no failure.
            if error.args[0].name() != "_NO_OFFSET":
                say("error", error=str(error))

    def revoked(_, partitions):
        if mode == "sync":
            commit()
        say("revoked", partitions=pairs(partitions))

    consumer.subscribe(
        sys.argv[3].split(","),
        on_assign=lambda _, partitions: say("assigned", partitions=pairs(partitions)),
        on_revoke=revoked,
        on_lost=lambda _, partitions: say("lost", partitions=pairs(partitions)),
    )
    say("started")
    while not closing.is_set():
        for message in consumer.consume(20, 0.05):
            if message.error():
                say("error", error=str(message.error()))
                continue
            where = {"topic": message.topic(), "partition": message.partition()}
            say("records", **where, count=1, offsets=[message.offset()])
            consumer.store_offsets(message)
            time.sleep(delay)
        if mode == "sync":
            commit()
    consumer.close()
    say("closed")


main()
