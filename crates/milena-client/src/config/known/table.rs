//! The table itself. Keep it sorted within each part; the tests check names, roles and order against Java's own lists.

use super::{Known, Role, Verdict};

/// In one slice per part, so that a part stays readable.
pub(super) const ROWS: [&[Known]; 5] = [EVERYONE, READING, WRITING, SECURITY, OURS];

/// Shared by consumer, producer and admin client.
const EVERYONE: &[Known] = &[
    ignored("auto.include.jmx.reporter", ALL, METRICS),
    refused(
        "bootstrap.controllers",
        ADMIN,
        "Milena talks to brokers; administration through controllers is KIP-919",
    )
    .later()
    .unless(EMPTY),
    used("bootstrap.servers", ALL),
    refused(
        "client.dns.lookup",
        ALL,
        "Milena dials every address of a name in turn; canonical names only serve Kerberos",
    )
    .unless(&["use_all_dns_ips"]),
    used("client.id", ALL),
    refused("config.providers", ALL, "a configuration value is never looked up elsewhere (CVE-2024-31141)")
        .unless(EMPTY),
    used("connections.max.idle.ms", ALL),
    used("default.api.timeout.ms", CONSUMER_ADMIN),
    ignored("enable.metrics.push", ALL, "Milena does not send its metrics to brokers (KIP-714)"),
    used("metadata.max.age.ms", ALL),
    used("metadata.recovery.rebootstrap.trigger.ms", ALL),
    used("metadata.recovery.strategy", ALL),
    ignored("metric.reporters", ALL, METRICS),
    ignored("metrics.num.samples", ALL, METRICS),
    ignored("metrics.recording.level", ALL, METRICS),
    ignored("metrics.sample.window.ms", ALL, METRICS),
    used("receive.buffer.bytes", ALL),
    used("reconnect.backoff.max.ms", ALL),
    used("reconnect.backoff.ms", ALL),
    used("request.timeout.ms", ALL),
    ignored(
        "retries",
        ADMIN,
        "requests are retried until default.api.timeout.ms, which Java recommends as well",
    ),
    used("retry.backoff.max.ms", ALL),
    used("retry.backoff.ms", ALL),
    used("security.protocol", ALL),
    refused("security.providers", ALL, JAVA_CLASS).unless(EMPTY),
    used("send.buffer.bytes", ALL),
    used("socket.connection.setup.timeout.max.ms", ALL),
    used("socket.connection.setup.timeout.ms", ALL),
];

const READING: &[Known] = &[
    used("allow.auto.create.topics", CONSUMER),
    used("auto.commit.interval.ms", CONSUMER),
    used("auto.offset.reset", CONSUMER),
    ignored(
        "check.crcs",
        CONSUMER,
        "checksums are always verified, once per batch: that costs 0.04 ns per byte, and without it a flipped bit is a record",
    ),
    used("client.rack", CONSUMER),
    used("enable.auto.commit", CONSUMER),
    used("exclude.internal.topics", CONSUMER),
    used("fetch.max.bytes", CONSUMER),
    used("fetch.max.wait.ms", CONSUMER),
    used("fetch.min.bytes", CONSUMER),
    used("group.id", CONSUMER),
    used("group.instance.id", CONSUMER),
    used("group.protocol", CONSUMER),
    used("group.remote.assignor", CONSUMER),
    used("heartbeat.interval.ms", CONSUMER),
    refused("interceptor.classes", CONSUMER, JAVA_CLASS).unless(EMPTY),
    refused(
        "internal.leave.group.on.close",
        CONSUMER,
        "it is Kafka Streams' own; milena.leave.on.close does this",
    )
    .unless(&["true"]),
    refused("internal.throw.on.fetch.stable.offset.unsupported", CONSUMER, "it is Kafka Streams' own")
        .unless(&["false"]),
    used("isolation.level", CONSUMER),
    ignored("key.deserializer", CONSUMER, SERDE),
    used("max.partition.fetch.bytes", CONSUMER),
    used("max.poll.interval.ms", CONSUMER),
    ignored(
        "max.poll.records",
        CONSUMER,
        "records are handed over as a stream; milena.budget.bytes bounds what waits",
    ),
    used("partition.assignment.strategy", CONSUMER),
    used("session.timeout.ms", CONSUMER),
    refused("share.acknowledgement.mode", CONSUMER, SHARE).later().unless(&["implicit"]),
    refused("share.acquire.mode", CONSUMER, SHARE).later().unless(&["BATCH_OPTIMIZED", "batch_optimized"]),
    ignored("value.deserializer", CONSUMER, SERDE),
];

const WRITING: &[Known] = &[
    used("acks", PRODUCER),
    used("batch.size", PRODUCER),
    used("buffer.memory", PRODUCER),
    used("compression.gzip.level", PRODUCER),
    ignored(
        "compression.lz4.level",
        PRODUCER,
        "the LZ4 encoder is written in Rust and has one level, the fast one",
    ),
    used("compression.type", PRODUCER),
    used("compression.zstd.level", PRODUCER),
    used("delivery.timeout.ms", PRODUCER),
    used("enable.idempotence", PRODUCER),
    refused("interceptor.classes", PRODUCER, JAVA_CLASS).unless(EMPTY),
    refused("internal.auto.downgrade.txn.commit", PRODUCER, "it is Kafka Streams' own").unless(&["false"]),
    ignored("key.serializer", PRODUCER, SERDE),
    used("linger.ms", PRODUCER),
    used("max.block.ms", PRODUCER),
    used("max.in.flight.requests.per.connection", PRODUCER),
    used("max.request.size", PRODUCER),
    ignored(
        "metadata.max.idle.ms",
        PRODUCER,
        "a topic that is no longer written to costs one metadata entry",
    ),
    ignored("partitioner.adaptive.partitioning.enable", PRODUCER, NO_KEY),
    ignored("partitioner.availability.timeout.ms", PRODUCER, NO_KEY),
    used("partitioner.class", PRODUCER),
    refused("partitioner.ignore.keys", PRODUCER, "records with equal keys always go to one partition")
        .later()
        .unless(FALSE),
    used("retries", PRODUCER),
    ignored("transaction.timeout.ms", PRODUCER, "it has a meaning only with transactional.id"),
    refused("transaction.two.phase.commit.enable", PRODUCER, TRANSACTIONS).later().unless(FALSE),
    refused("transactional.id", PRODUCER, TRANSACTIONS).later(),
    ignored("value.serializer", PRODUCER, SERDE),
];

/// Refused even beside `security.protocol=PLAINTEXT`, where Java ignores them: who writes them believes in a protection
/// that would not be there.
const SECURITY: &[Known] = &[
    refused("sasl.client.callback.handler.class", ALL, JAVA_CLASS),
    refused("sasl.jaas.config", ALL, SASL).later(),
    refused("sasl.kerberos.kinit.cmd", ALL, KERBEROS).later(),
    refused("sasl.kerberos.min.time.before.relogin", ALL, KERBEROS).later(),
    refused("sasl.kerberos.service.name", ALL, KERBEROS).later(),
    refused("sasl.kerberos.ticket.renew.jitter", ALL, KERBEROS).later(),
    refused("sasl.kerberos.ticket.renew.window.factor", ALL, KERBEROS).later(),
    refused("sasl.login.callback.handler.class", ALL, JAVA_CLASS),
    refused("sasl.login.class", ALL, JAVA_CLASS),
    refused("sasl.login.connect.timeout.ms", ALL, SASL).later(),
    refused("sasl.login.read.timeout.ms", ALL, SASL).later(),
    refused("sasl.login.refresh.buffer.seconds", ALL, SASL).later(),
    refused("sasl.login.refresh.min.period.seconds", ALL, SASL).later(),
    refused("sasl.login.refresh.window.factor", ALL, SASL).later(),
    refused("sasl.login.refresh.window.jitter", ALL, SASL).later(),
    refused("sasl.login.retry.backoff.max.ms", ALL, SASL).later(),
    refused("sasl.login.retry.backoff.ms", ALL, SASL).later(),
    refused("sasl.mechanism", ALL, SASL).later(),
    refused("sasl.oauthbearer.assertion.algorithm", ALL, SASL).later(),
    refused("sasl.oauthbearer.assertion.claim.aud", ALL, SASL).later(),
    refused("sasl.oauthbearer.assertion.claim.exp.seconds", ALL, SASL).later(),
    refused("sasl.oauthbearer.assertion.claim.iss", ALL, SASL).later(),
    refused("sasl.oauthbearer.assertion.claim.jti.include", ALL, SASL).later(),
    refused("sasl.oauthbearer.assertion.claim.nbf.seconds", ALL, SASL).later(),
    refused("sasl.oauthbearer.assertion.claim.sub", ALL, SASL).later(),
    refused("sasl.oauthbearer.assertion.file", ALL, SASL).later(),
    refused("sasl.oauthbearer.assertion.private.key.file", ALL, SASL).later(),
    refused("sasl.oauthbearer.assertion.private.key.passphrase", ALL, SASL).later(),
    refused("sasl.oauthbearer.assertion.template.file", ALL, SASL).later(),
    refused("sasl.oauthbearer.client.credentials.client.id", ALL, SASL).later(),
    refused("sasl.oauthbearer.client.credentials.client.secret", ALL, SASL).later(),
    refused("sasl.oauthbearer.clock.skew.seconds", ALL, SASL).later(),
    refused("sasl.oauthbearer.expected.audience", ALL, SASL).later(),
    refused("sasl.oauthbearer.expected.issuer", ALL, SASL).later(),
    refused("sasl.oauthbearer.header.urlencode", ALL, SASL).later(),
    refused("sasl.oauthbearer.jwks.endpoint.refresh.ms", ALL, SASL).later(),
    refused("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", ALL, SASL).later(),
    refused("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", ALL, SASL).later(),
    refused("sasl.oauthbearer.jwks.endpoint.url", ALL, SASL).later(),
    refused("sasl.oauthbearer.jwt.retriever.class", ALL, JAVA_CLASS),
    refused("sasl.oauthbearer.jwt.validator.class", ALL, JAVA_CLASS),
    refused("sasl.oauthbearer.scope", ALL, SASL).later(),
    refused("sasl.oauthbearer.scope.claim.name", ALL, SASL).later(),
    refused("sasl.oauthbearer.sub.claim.name", ALL, SASL).later(),
    refused("sasl.oauthbearer.token.endpoint.url", ALL, SASL).later(),
    refused("ssl.cipher.suites", ALL, TLS).later(),
    refused("ssl.enabled.protocols", ALL, TLS).later(),
    refused("ssl.endpoint.identification.algorithm", ALL, TLS).later(),
    refused("ssl.engine.factory.class", ALL, JAVA_CLASS),
    refused("ssl.key.password", ALL, TLS).later(),
    refused("ssl.keymanager.algorithm", ALL, JAVA_CLASS),
    refused("ssl.keystore.certificate.chain", ALL, TLS).later(),
    refused("ssl.keystore.key", ALL, TLS).later(),
    refused("ssl.keystore.location", ALL, TLS).later(),
    refused("ssl.keystore.password", ALL, TLS).later(),
    refused("ssl.keystore.type", ALL, TLS).later(),
    refused("ssl.protocol", ALL, TLS).later(),
    refused("ssl.provider", ALL, JAVA_CLASS),
    refused("ssl.secure.random.implementation", ALL, JAVA_CLASS),
    refused("ssl.trustmanager.algorithm", ALL, JAVA_CLASS),
    refused("ssl.truststore.certificates", ALL, TLS).later(),
    refused("ssl.truststore.location", ALL, TLS).later(),
    refused("ssl.truststore.password", ALL, TLS).later(),
    refused("ssl.truststore.type", ALL, TLS).later(),
];

/// Milena's own.
const OURS: &[Known] = &[
    used("milena.budget.bytes", CONSUMER),
    used("milena.decode.threads", CONSUMER),
    used("milena.drain.timeout.ms", CONSUMER),
    used("milena.group.protocol.fallback", CONSUMER),
    used("milena.leave.on.close", CONSUMER),
    used("milena.leave.when.stalled", CONSUMER),
    used("milena.max.decompressed.batch.bytes", CONSUMER),
    used("milena.max.frame.bytes", ALL),
    used("milena.new.partitions", CONSUMER),
    used("milena.seed", ALL),
];

const fn used(name: &'static str, roles: &'static [Role]) -> Known {
    Known { name, roles, verdict: Verdict::Used, harmless: &[] }
}

const fn ignored(name: &'static str, roles: &'static [Role], why: &'static str) -> Known {
    Known { name, roles, verdict: Verdict::Ignored { why }, harmless: &[] }
}

const fn refused(name: &'static str, roles: &'static [Role], why: &'static str) -> Known {
    Known { name, roles, verdict: Verdict::NotSupported { why }, harmless: &[] }
}

impl Known {
    /// Refused by this version only.
    const fn later(mut self) -> Self {
        if let Verdict::NotSupported { why } = self.verdict {
            self.verdict = Verdict::NotSupportedYet { why };
        }
        self
    }

    const fn unless(mut self, harmless: &'static [&'static str]) -> Self {
        self.harmless = harmless;
        self
    }
}

const ALL: &[Role] = &[Role::Client, Role::Consumer, Role::Producer];
const ADMIN: &[Role] = &[Role::Client];
const CONSUMER_ADMIN: &[Role] = &[Role::Client, Role::Consumer];
const CONSUMER: &[Role] = &[Role::Consumer];
const PRODUCER: &[Role] = &[Role::Producer];

const EMPTY: &[&str] = &[""];
const FALSE: &[&str] = &["false"];

const METRICS: &str =
    "Milena has no metrics registry of its own; its events and counters are for the program to export";
const SERDE: &str = "keys and values are bytes here; the program decodes them";
const JAVA_CLASS: &str = "it names Java code, which a Rust client cannot load";
const SHARE: &str = "share groups (KIP-932) are missing";
const TRANSACTIONS: &str = "transactions are missing";
const NO_KEY: &str = "it steers only records without a key, whose partition promises nothing";
const SASL: &str = "authentication by SASL is missing";
const KERBEROS: &str = "authentication by Kerberos is missing";
const TLS: &str = "TLS is missing";
