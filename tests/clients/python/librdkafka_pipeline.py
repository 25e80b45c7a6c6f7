"""Reads one topic in a group and writes each record to another, ten to a transaction, offsets included; every third
transaction is aborted first and done again. Arguments: bootstrap, group, input, output, partitions, records of each of
them, then "key=value" for the consumer. Prints "done COMMITTED ABORTED", counts of transactions."""

import sys

from confluent_kafka import Consumer, Producer, TopicPartition

BATCH = 10


def main():
    bootstrap, group, source, target = sys.argv[1:5]
    partitions, records = int(sys.argv[5]), int(sys.argv[6])
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    settings.update(argument.split("=", 1) for argument in sys.argv[7:])
    consumer = Consumer(settings)
    consumer.subscribe([source])
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": group})
    producer.init_transactions(30)
    done, turn, committed, aborted = 0, 0, 0, 0
    while done < partitions * records:
        batch = [message for message in consumer.consume(BATCH, 1) if not message.error()]
        if not batch:
            continue
        turn += 1
        for again in [True, False] if turn % 3 == 0 else [False]:
            producer.begin_transaction()
            ends = {}
            for message in batch:
                producer.produce(target, message.value(), partition=message.partition())
                ends[message.partition()] = message.offset() + 1
            offsets = [TopicPartition(source, partition, end) for partition, end in ends.items()]
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), 30)
            if again:
                producer.flush(30)
                producer.abort_transaction(30)
                aborted += 1
            else:
                producer.commit_transaction(30)
                committed += 1
        done += len(batch)
    consumer.close()
    print("done", committed, aborted, flush=True)


main()
