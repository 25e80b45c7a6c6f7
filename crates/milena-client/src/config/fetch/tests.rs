use super::*;

fn contradiction(builder: FetchConfigBuilder) -> String {
    match builder.build() {
        Err(ConfigError::Contradiction { left, right, .. }) => format!("{left} {right}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_defaults_are_within_their_bounds() {
    assert_eq!(FetchConfig::builder().build(), Ok(FetchConfig::default()));
}

#[test]
fn what_is_set_is_what_is_read() {
    let fetch = FetchConfig::builder()
        .max_wait(Duration::from_millis(1))
        .min_bytes(2)
        .max_bytes(4)
        .max_partition_bytes(3)
        .isolation(IsolationLevel::ReadCommitted)
        .budget_bytes(1 << 17)
        .max_batch_decompressed_bytes(1 << 18)
        .rack("r1")
        .offset_reset(OffsetReset::Earliest)
        .allow_auto_create_topics(true)
        .exclude_internal_topics(false)
        .new_partitions(NewPartitions::AsOthers)
        .build()
        .unwrap();
    assert_eq!(fetch.max_wait(), Duration::from_millis(1));
    assert_eq!((fetch.min_bytes(), fetch.max_bytes(), fetch.max_partition_bytes()), (2, 4, 3));
    assert_eq!(fetch.isolation(), IsolationLevel::ReadCommitted);
    assert_eq!((fetch.budget_bytes(), fetch.max_batch_decompressed_bytes()), (1 << 17, 1 << 18));
    assert_eq!(fetch.max_frame_bytes(), 4 + (1 << 18));
    assert_eq!((fetch.rack(), fetch.offset_reset()), (Some("r1"), OffsetReset::Earliest));
    assert!(fetch.allow_auto_create_topics() && !fetch.exclude_internal_topics());
    assert_eq!(fetch.new_partitions(), NewPartitions::AsOthers);
    assert_eq!(FetchConfig::default().new_partitions(), NewPartitions::Earliest);
    assert_eq!(FetchConfig::builder().rack("").build().unwrap().rack(), None);
}

#[test]
fn contradictions_name_both_settings() {
    let fetch = FetchConfig::builder;
    assert_eq!(contradiction(fetch().min_bytes(11).max_bytes(10)), "fetch.min.bytes=11 fetch.max.bytes=10");
    assert_eq!(
        contradiction(fetch().budget_bytes(1 << 19)),
        "max.partition.fetch.bytes=1048576 milena.budget.bytes=524288"
    );
    assert_eq!(
        contradiction(fetch().budget_bytes(1 << 20).min_bytes(1 << 21)),
        "fetch.min.bytes=2097152 milena.budget.bytes=1048576"
    );
    // Equal is no contradiction.
    assert!(fetch().min_bytes(10).max_bytes(10).build().is_ok());
    assert!(fetch().budget_bytes(1 << 20).build().is_ok());
}

#[test]
fn a_partition_share_above_the_whole_means_the_whole() {
    let fetch = FetchConfig::builder().max_bytes(1_000).max_partition_bytes(100 << 20).build().unwrap();
    assert_eq!(fetch.max_partition_bytes(), 1_000);
}

#[test]
fn out_of_range_names_the_setting() {
    let fetch = FetchConfig::builder;
    for (builder, key) in [
        (fetch().max_wait(Duration::MAX), "fetch.max.wait.ms"),
        (fetch().min_bytes(1 << 31), "fetch.min.bytes"),
        (fetch().max_bytes(0), "fetch.max.bytes"),
        (fetch().max_partition_bytes(0), "max.partition.fetch.bytes"),
        (fetch().budget_bytes(65_535), "milena.budget.bytes"),
        (fetch().budget_bytes(usize::MAX), "milena.budget.bytes"),
        (fetch().max_batch_decompressed_bytes(0), "milena.max.decompressed.batch.bytes"),
        (fetch().decode_threads(65), "milena.decode.threads"),
    ] {
        match builder.build() {
            Err(ConfigError::OutOfRange { setting, .. }) => assert_eq!(setting.key, key),
            other => panic!("{key}: {other:?}"),
        }
    }
    assert!(fetch().rack("x".repeat(40_000)).build().is_err());
    assert!(fetch().offset_reset(OffsetReset::ByDuration(Duration::MAX)).build().is_err());
}

#[test]
fn names_are_javas() {
    let mut fetch = FetchConfig::builder();
    for (key, raw) in [
        ("isolation.level", "read_committed"),
        ("auto.offset.reset", "by_duration:PT1H"),
        ("client.rack", " eu-1a "),
        ("allow.auto.create.topics", "true"),
    ] {
        assert_eq!(fetch.set(key, raw), Ok(true), "{key}");
    }
    let fetch = fetch.build().unwrap();
    assert_eq!(fetch.isolation(), IsolationLevel::ReadCommitted);
    assert_eq!(fetch.offset_reset(), OffsetReset::ByDuration(Duration::from_secs(3_600)));
    assert_eq!(fetch.rack(), Some("eu-1a"));
    assert!(fetch.allow_auto_create_topics());
    let error = FetchConfig::builder().set("isolation.level", "READ_COMMITTED").unwrap_err();
    assert_eq!(
        error.to_string(),
        "isolation.level=READ_COMMITTED is not `read_uncommitted` or `read_committed`"
    );
    assert_eq!(FetchConfig::builder().set("group.id", "g"), Ok(false));
}
