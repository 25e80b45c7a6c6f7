// Writes what kafkajs writes. Argument: bootstrap. Each line of standard input is "kind codec topic"; all goes to
// partition 0, and "done" plus the line is the answer. Kinds: plain, headers, times, batches, transactions.
const readline = require("readline");
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require("kafkajs");

const TIME = 1767225600000n;
const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
};

// lz4 would need a package that compiles C++.
CompressionCodecs[CompressionTypes.Snappy] = require("kafkajs-snappy");

function message(key, value, headers, time) {
  return { key, value, headers, timestamp: String(time), partition: 0 };
}

function plain(count) {
  const messages = [];
  for (let index = 0; index < count; index++) {
    const time = TIME + BigInt(index);
    switch (index % 6) {
      case 1: messages.push(message(null, "no key", {}, time)); break;
      case 2: messages.push(message("no value", null, {}, time)); break;
      case 3: messages.push(message(null, null, {}, time)); break;
      case 4: messages.push(message("", "", {}, time)); break;
      default: messages.push(message("k" + index, `letter ${index}, dopis – žluťoučký kůň`, {}, time));
    }
  }
  return messages;
}

function headers() {
  // It groups equal names, and refuses null values.
  return [
    message(null, "one", { a: "1" }, TIME),
    message(null, "twice", { a: ["1", "3"], b: "2" }, TIME),
    message(null, "empty", { empty: "", "": "no name" }, TIME),
    message(null, "names", { "jméno": "k", "名前": Buffer.from([0xff, 0]) }, TIME),
  ];
}

function times() {
  return [0n, 1n, TIME, TIME - 1n, 10413792000000n].map((time) => message(null, String(time), {}, time));
}

async function write(kafka, kind, codec, topic) {
  const compression = CODECS[codec];
  if (kind === "transactions") {
    for (const [name, end] of [["committed", "commit"], ["aborted", "abort"], ["again", "commit"], ["open", "leave"]]) {
      const producer = kafka.producer({
        transactionalId: topic + "-" + name, maxInFlightRequests: 1, idempotent: true, transactionTimeout: 900000,
      });
      await producer.connect();
      const transaction = await producer.transaction();
      const messages = [0, 1, 2].map((index) => message("k" + index, name, {}, TIME + BigInt(index)));
      await transaction.send({ topic, compression, messages });
      if (end === "commit") await transaction.commit();
      if (end === "abort") await transaction.abort();
      if (end !== "leave") await producer.disconnect();
    }
    return;
  }
  const producer = kafka.producer();
  await producer.connect();
  const batches = { plain: [plain(12)], headers: [headers()], times: [times()], batches: [1, 2, 3, 4].map(plain) }[kind];
  for (const messages of batches) {
    await producer.send({ topic, compression, acks: -1, messages });
  }
  await producer.disconnect();
}

async function main() {
  const kafka = new Kafka({ brokers: process.argv[2].split(","), logLevel: logLevel.NOTHING });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [kind, codec, topic] = line.trim().split(" ");
    await write(kafka, kind, codec, topic);
    console.log("done " + line.trim());
  }
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
