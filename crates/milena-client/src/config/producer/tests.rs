use super::*;

fn p() -> ProducerConfigBuilder {
    ProducerConfig::builder(ClientConfig::bootstrap("a:1").unwrap().build().unwrap())
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn contradiction(builder: ProducerConfigBuilder) -> String {
    match builder.build() {
        Err(ConfigError::Contradiction { left, right, .. }) => format!("{left} {right}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_defaults_are_javas() {
    let producer = p().build().unwrap();
    assert_eq!((producer.acks(), producer.idempotence()), (Acks::All, true));
    assert_eq!((producer.compression(), producer.partitioner()), (Compression::None, Partitioner::Murmur2));
    assert_eq!((producer.linger(), producer.delivery_timeout()), (Duration::from_millis(5), s(120)));
    assert_eq!((producer.batch_size(), producer.max_request_size()), (16_384, 1_048_576));
    assert_eq!((producer.max_in_flight(), producer.retries()), (5, 2_147_483_647));
    assert_eq!((producer.buffer_memory(), producer.max_block()), (33_554_432, s(60)));
    assert_eq!(producer.client().client_id(), "milena");
}

#[test]
fn what_is_set_is_what_is_read() {
    let producer = p()
        .acks(Acks::Leader)
        .idempotence(false)
        .linger(s(1))
        .batch_size(2)
        .max_request_size(3)
        .delivery_timeout(s(40))
        .retries(5)
        .max_in_flight(6)
        .buffer_memory(7)
        .max_block(s(8))
        .build()
        .unwrap();
    assert_eq!((producer.acks(), producer.idempotence()), (Acks::Leader, false));
    assert_eq!((producer.linger(), producer.delivery_timeout()), (s(1), s(40)));
    assert_eq!((producer.batch_size(), producer.max_request_size()), (2, 3));
    assert_eq!((producer.retries(), producer.max_in_flight()), (5, 6));
    assert_eq!((producer.buffer_memory(), producer.max_block()), (7, s(8)));
}

/// Each line tried on Java's KafkaProducer of kafka-clients 4.3.1.
#[test]
fn idempotence_yields_and_insists_as_javas() {
    assert!(!p().acks(Acks::Leader).build().unwrap().idempotence());
    assert!(!p().retries(0).build().unwrap().idempotence());
    assert!(p().idempotence(true).build().unwrap().idempotence());
    assert!(!p().idempotence(false).max_in_flight(6).build().unwrap().idempotence());
    assert_eq!(contradiction(p().idempotence(true).acks(Acks::Leader)), "enable.idempotence=true acks=1");
    assert_eq!(contradiction(p().idempotence(true).retries(0)), "enable.idempotence=true retries=0");
    let six = "enable.idempotence=true max.in.flight.requests.per.connection=6";
    assert_eq!(contradiction(p().max_in_flight(6)), six);
    assert_eq!(contradiction(p().idempotence(true).max_in_flight(6)), six);
}

/// Java's KafkaProducer of kafka-clients 4.3.1 raises the default and refuses the same value when it is set.
#[test]
fn a_delivery_outlasts_linger_and_request() {
    assert_eq!(p().linger(s(100)).build().unwrap().delivery_timeout(), s(130));
    assert_eq!(p().linger(s(90)).delivery_timeout(s(120)).build().unwrap().delivery_timeout(), s(120));
    assert_eq!(
        contradiction(p().linger(s(100)).delivery_timeout(s(120))),
        "delivery.timeout.ms=120000 linger.ms=100000"
    );
    assert_eq!(
        contradiction(p().delivery_timeout(s(20))),
        "delivery.timeout.ms=20000 request.timeout.ms=30000"
    );
}

#[test]
fn a_batch_fits_the_memory() {
    assert_eq!(contradiction(p().batch_size(101).buffer_memory(100)), "batch.size=101 buffer.memory=100");
    assert!(p().batch_size(100).buffer_memory(100).build().is_ok());
}

#[test]
fn out_of_range_names_the_setting() {
    for (builder, key) in [
        (p().linger(Duration::MAX), "linger.ms"),
        (p().batch_size(1 << 31), "batch.size"),
        (p().max_request_size(0), "max.request.size"),
        (p().delivery_timeout(Duration::ZERO), "delivery.timeout.ms"),
        (p().retries(u32::MAX), "retries"),
        (p().idempotence(false).max_in_flight(0), "max.in.flight.requests.per.connection"),
        (p().buffer_memory(usize::MAX), "buffer.memory"),
        (p().max_block(Duration::MAX), "max.block.ms"),
        (p().compression(Compression::Gzip { level: Some(10) }), "compression.gzip.level"),
        (p().compression(Compression::Gzip { level: Some(0) }), "compression.gzip.level"),
        (p().compression(Compression::Zstd { level: 23 }), "compression.zstd.level"),
    ] {
        match builder.build() {
            Err(ConfigError::OutOfRange { setting, .. }) => assert_eq!(setting.key, key),
            other => panic!("{key}: {other:?}"),
        }
    }
}

#[test]
fn a_codec_that_was_left_out_is_an_error_that_names_its_feature() {
    for (compression, compiled) in [
        (Compression::Gzip { level: None }, cfg!(feature = "gzip")),
        (Compression::Snappy, cfg!(feature = "snappy")),
        (Compression::Lz4, cfg!(feature = "lz4")),
        (Compression::Zstd { level: 3 }, cfg!(any(feature = "zstd", feature = "zstd-pure"))),
    ] {
        match p().compression(compression).build() {
            Ok(producer) => assert!(compiled && producer.compression() == compression),
            Err(error) => {
                assert!(!compiled, "{error}");
                assert!(
                    matches!(error, ConfigError::NotCompiled { feature, .. } if feature == compression.name())
                );
            }
        }
    }
}

#[test]
fn the_level_follows_the_codec_in_any_order() {
    let mut knobs = ProducerKnobs::default();
    for (key, raw) in
        [("compression.zstd.level", "-7"), ("compression.gzip.level", "9"), ("compression.type", "zstd")]
    {
        assert_eq!(knobs.set(key, raw), Ok(true));
    }
    assert_eq!(knobs.clone().with_level().compression, Compression::Zstd { level: -7 });
    knobs.set("compression.type", "gzip").unwrap();
    assert_eq!(knobs.clone().with_level().compression, Compression::Gzip { level: Some(9) });
    knobs.set("compression.gzip.level", "-1").unwrap();
    assert_eq!(knobs.clone().with_level().compression, Compression::Gzip { level: None });
    knobs.set("compression.type", "snappy").unwrap();
    assert_eq!(knobs.with_level().compression, Compression::Snappy);
    let mut knobs = ProducerKnobs::default();
    assert!(
        knobs.set("compression.type", "GZIP").is_err() && knobs.set("compression.zstd.level", "23").is_err()
    );
}

#[test]
fn acks_are_a_choice_of_three_of_which_one_tells_nothing() {
    assert_eq!(Acks::parse("all"), Ok(Acks::All));
    assert_eq!(Acks::parse(" -1 "), Ok(Acks::All));
    assert_eq!(Acks::parse("1"), Ok(Acks::Leader));
    let error = Acks::parse("0").unwrap_err();
    assert_eq!(
        error.to_string(),
        "acks=0 is not supported: the broker would not answer, and no outcome could be told for any record"
    );
    for raw in ["ALL", "2", ""] {
        assert!(matches!(Acks::parse(raw), Err(ConfigError::Invalid { .. })), "{raw}");
    }
}

#[test]
fn partitioners_are_told_apart() {
    for raw in ["", "murmur2", "org.apache.kafka.clients.producer.internals.DefaultPartitioner"] {
        assert_eq!(Partitioner::parse(raw), Ok(Partitioner::Murmur2));
    }
    let round_robin = Partitioner::parse("org.apache.kafka.clients.producer.RoundRobinPartitioner");
    assert!(matches!(round_robin, Err(ConfigError::NotSupportedYet { .. })));
    assert!(matches!(Partitioner::parse("com.example.Mine"), Err(ConfigError::NotSupported { .. })));
}
