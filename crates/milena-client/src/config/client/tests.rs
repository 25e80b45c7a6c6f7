use super::super::error::Setting;
use super::*;

fn a() -> ClientConfigBuilder {
    ClientConfig::bootstrap("a:1").unwrap()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_client_needs_a_bootstrap_server_and_nothing_else() {
    assert!(matches!(
        ClientConfig::builder([]).build(),
        Err(ConfigError::Missing { key: "bootstrap.servers", .. })
    ));
    let client = a().build().unwrap();
    assert_eq!(client.bootstrap_servers()[0].to_string(), "a:1");
    assert_eq!(client.client_id(), "milena");
    assert_eq!(client.request_timeout(), ms(30_000));
    assert_eq!((client.connect_timeout(), client.connect_timeout_max()), (ms(10_000), ms(30_000)));
    assert_eq!((client.retry_backoff(), client.retry_backoff_max()), (ms(100), ms(1_000)));
    assert_eq!((client.reconnect_backoff(), client.reconnect_backoff_max()), (ms(50), ms(1_000)));
    assert_eq!(client.connections_max_idle(), Some(ms(540_000)));
    assert_eq!(client.metadata_recovery(), MetadataRecovery::Rebootstrap { trigger: ms(300_000) });
    assert_eq!((client.receive_buffer_bytes(), client.send_buffer_bytes()), (None, None));
    assert_eq!(client.security_protocol(), SecurityProtocol::Plaintext);
}

#[test]
fn what_is_set_is_what_is_read() {
    let client = a()
        .client_id("me")
        .request_timeout(ms(1))
        .api_timeout(ms(2))
        .connect_timeout(ms(3))
        .connect_timeout_max(ms(4))
        .retry_backoff(ms(5))
        .retry_backoff_max(ms(6))
        .reconnect_backoff(ms(7))
        .reconnect_backoff_max(ms(8))
        .metadata_max_age(ms(9))
        .metadata_recovery(MetadataRecovery::None)
        .connections_max_idle(None)
        .receive_buffer_bytes(10)
        .send_buffer_bytes(11)
        .max_frame_bytes(1 << 20)
        .build()
        .unwrap();
    assert_eq!(client.client_id(), "me");
    assert_eq!((client.request_timeout(), client.api_timeout()), (ms(1), ms(2)));
    assert_eq!((client.connect_timeout(), client.connect_timeout_max()), (ms(3), ms(4)));
    assert_eq!((client.retry_backoff(), client.retry_backoff_max()), (ms(5), ms(6)));
    assert_eq!((client.reconnect_backoff(), client.reconnect_backoff_max()), (ms(7), ms(8)));
    assert_eq!((client.metadata_max_age(), client.metadata_recovery()), (ms(9), MetadataRecovery::None));
    assert_eq!(client.connections_max_idle(), None);
    assert_eq!((client.receive_buffer_bytes(), client.send_buffer_bytes()), (Some(10), Some(11)));
    assert_eq!(client.max_frame_bytes(), 1 << 20);
}

#[test]
fn a_maximum_follows_a_longer_wait_unless_it_was_set() {
    let client = a()
        .connect_timeout(ms(40_000))
        .retry_backoff(ms(2_000))
        .reconnect_backoff(ms(3_000))
        .build()
        .unwrap();
    assert_eq!(client.connect_timeout_max(), ms(40_000));
    assert_eq!(client.retry_backoff_max(), ms(2_000));
    assert_eq!(client.reconnect_backoff_max(), ms(3_000));

    let error = a().retry_backoff(ms(2_000)).retry_backoff_max(ms(1_000)).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "retry.backoff.ms=2000 contradicts retry.backoff.max.ms=1000: the first wait is longer than the longest"
    );
    let error = a().connect_timeout(ms(2)).connect_timeout_max(ms(1)).build().unwrap_err().to_string();
    assert!(error.contains("socket.connection.setup.timeout.ms=2"), "{error}");
    let error = a().reconnect_backoff(ms(2)).reconnect_backoff_max(ms(1)).build().unwrap_err().to_string();
    assert!(error.contains("reconnect.backoff.ms=2"), "{error}");
}

#[test]
fn out_of_range_names_the_setting_and_its_bounds() {
    let error = a().request_timeout(Duration::ZERO).build().unwrap_err();
    assert_eq!(error.to_string(), "request.timeout.ms=0 is out of range: 1 to 2147483647 are allowed");
    for (builder, key) in [
        (a().api_timeout(Duration::MAX), "default.api.timeout.ms"),
        (a().connect_timeout(Duration::ZERO), "socket.connection.setup.timeout.ms"),
        (a().retry_backoff(Duration::MAX), "retry.backoff.ms"),
        (a().metadata_max_age(Duration::ZERO), "metadata.max.age.ms"),
        (
            a().metadata_recovery(MetadataRecovery::Rebootstrap { trigger: Duration::MAX }),
            "metadata.recovery.rebootstrap.trigger.ms",
        ),
        (a().connections_max_idle(Duration::MAX), "connections.max.idle.ms"),
        (a().receive_buffer_bytes(1 << 31), "receive.buffer.bytes"),
        (a().send_buffer_bytes(1 << 31), "send.buffer.bytes"),
        (a().max_frame_bytes(65_535), "milena.max.frame.bytes"),
    ] {
        match builder.build() {
            Err(ConfigError::OutOfRange { setting, .. }) => assert_eq!(setting.key, key),
            other => panic!("{key}: {other:?}"),
        }
    }
    let long = a().client_id("x".repeat(40_000)).build();
    assert!(matches!(long, Err(ConfigError::Invalid { setting: Setting { key: "client.id", .. }, .. })));
}

#[test]
fn javas_ways_to_say_never_and_default_are_understood() {
    let mut client = a();
    client.set("connections.max.idle.ms", "-1").unwrap();
    client.set("receive.buffer.bytes", "-1").unwrap();
    client.set("send.buffer.bytes", "0").unwrap();
    client.set("client.id", "").unwrap();
    client.set("metadata.recovery.strategy", "NONE").unwrap();
    client.set("metadata.recovery.rebootstrap.trigger.ms", "7").unwrap();
    let client = client.build().unwrap();
    assert_eq!(client.connections_max_idle(), None);
    assert_eq!((client.receive_buffer_bytes(), client.send_buffer_bytes()), (None, Some(0)));
    assert_eq!(client.client_id(), "milena");
    assert_eq!(client.metadata_recovery(), MetadataRecovery::None);
    assert!(a().set("connections.max.idle.ms", "x").is_err());
    assert!(a().set("receive.buffer.bytes", "-2").is_err());
    assert!(a().set("metadata.recovery.strategy", "hope").is_err());
}

#[test]
fn protection_that_is_missing_is_refused_by_name() {
    assert_eq!(a().set("security.protocol", " plaintext "), Ok(true));
    for (raw, why) in [
        ("SSL", "TLS is missing"),
        ("sasl_plaintext", "authentication by SASL is missing"),
        ("SASL_SSL", "TLS and authentication by SASL are missing"),
    ] {
        let error = a().set("security.protocol", raw).unwrap_err();
        let expected = format!(
            "security.protocol={} is not supported yet by this version of Milena: {why}",
            raw.to_ascii_uppercase()
        );
        assert_eq!(error.to_string(), expected);
    }
    assert!(matches!(a().set("security.protocol", "TLS"), Err(ConfigError::Invalid { .. })));
}
