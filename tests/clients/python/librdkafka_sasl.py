"""librdkafka logs in by each mechanism, with the right password and with a wrong one: a line of JSON for each.
Arguments: bootstrap, user, password. librdkafka checks the broker's own signature, so that a login says that both know it."""

import json
import sys

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

BOOTSTRAP, USER, PASSWORD = sys.argv[1:4]

for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]:
    for password in [PASSWORD, PASSWORD + "?"]:
        errors = []
        client = AdminClient({
            "bootstrap.servers": BOOTSTRAP,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": mechanism,
            "sasl.username": USER,
            "sasl.password": password,
            "error_cb": lambda error: errors.append(error.name()),
            "log_level": 0,
        })
        is_right = password == PASSWORD
        try:
            brokers = len(client.list_topics(timeout=60 if is_right else 5).brokers)
        except KafkaException:
            brokers = None
            client.poll(5)
        print(json.dumps({
            "mechanism": mechanism, "right": is_right, "brokers": brokers, "refused": "_AUTHENTICATION" in errors,
        }), flush=True)
