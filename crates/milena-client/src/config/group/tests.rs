use super::*;

fn g() -> GroupConfigBuilder {
    GroupConfig::builder("g")
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn contradiction(builder: GroupConfigBuilder) -> String {
    match builder.build() {
        Err(ConfigError::Contradiction { left, right, .. }) => format!("{left} {right}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_group_needs_a_name_and_nothing_else() {
    let group = g().build().unwrap();
    assert_eq!((group.group_id(), group.group_instance_id()), ("g", None));
    assert_eq!(group.protocol(), GroupProtocol::Classic);
    assert_eq!(group.assignors(), [Assignor::Range, Assignor::CooperativeSticky]);
    assert_eq!((group.session_timeout(), group.heartbeat_interval()), (s(45), s(3)));
    assert_eq!((group.rebalance_timeout(), group.drain_timeout()), (s(300), s(30)));
    assert_eq!(group.commit_interval(), Some(s(5)));
    assert!(group.leave_on_close());
    for blank in ["", " \t"] {
        assert!(matches!(GroupConfig::builder(blank).build(), Err(ConfigError::Invalid { .. })));
    }
    assert!(GroupConfig::builder("g".repeat(32_768)).build().is_err());
}

#[test]
fn what_is_set_is_what_is_read() {
    let group = g()
        .group_instance_id("i-1")
        .assignors([Assignor::CooperativeSticky])
        .session_timeout(s(10))
        .heartbeat_interval(s(1))
        .rebalance_timeout(s(20))
        .commit_interval(s(2))
        .drain_timeout(s(18))
        .leave_on_close(true)
        .build()
        .unwrap();
    assert_eq!(group.group_instance_id(), Some("i-1"));
    assert_eq!(group.assignors(), [Assignor::CooperativeSticky]);
    assert_eq!((group.session_timeout(), group.heartbeat_interval()), (s(10), s(1)));
    assert_eq!((group.rebalance_timeout(), group.drain_timeout()), (s(20), s(18)));
    assert_eq!(group.commit_interval(), Some(s(2)));
    assert!(group.leave_on_close());
    assert_eq!(g().commit_when_asked().build().unwrap().commit_interval(), None);
    assert_eq!(g().commit_when_asked().commit_interval(s(0)).build().unwrap().commit_interval(), Some(s(0)));
}

#[test]
fn a_static_member_stays_unless_told_to_leave() {
    assert!(!g().group_instance_id("i").build().unwrap().leave_on_close());
    assert!(!g().leave_on_close(false).build().unwrap().leave_on_close());
}

#[test]
fn contradictions_name_both_settings() {
    assert_eq!(
        contradiction(g().heartbeat_interval(s(45))),
        "heartbeat.interval.ms=45000 session.timeout.ms=45000"
    );
    assert_eq!(
        contradiction(g().rebalance_timeout(s(3))),
        "heartbeat.interval.ms=3000 max.poll.interval.ms=3000"
    );
    assert_eq!(
        contradiction(g().rebalance_timeout(s(13)).drain_timeout(s(10))),
        "milena.drain.timeout.ms=10000 max.poll.interval.ms=13000"
    );
    // Java accepts a session that outlasts a rebalance, and nothing breaks.
    assert!(g().session_timeout(s(400)).build().is_ok());
}

#[test]
fn the_drain_follows_a_short_rebalance_unless_it_was_set() {
    assert_eq!(g().rebalance_timeout(s(13)).build().unwrap().drain_timeout(), s(5));
    let least =
        g().rebalance_timeout(Duration::from_millis(2)).heartbeat_interval(Duration::from_millis(1)).build();
    assert!(least.unwrap().drain_timeout() < Duration::from_millis(1));
    assert_eq!(g().drain_timeout(s(0)).build().unwrap().drain_timeout(), s(0));
}

#[test]
fn instance_ids_are_what_a_coordinator_takes() {
    for id in ["a", "A.b_c-1", "...", &"x".repeat(249)] {
        assert!(g().group_instance_id(id).build().is_ok(), "{id}");
    }
    for id in ["", ".", "..", "a b", "é", &"x".repeat(250)] {
        assert!(matches!(g().group_instance_id(id).build(), Err(ConfigError::Invalid { .. })), "{id}");
    }
}

#[test]
fn a_list_of_assignors_has_each_once() {
    for list in [vec![], vec![Assignor::Range, Assignor::Range]] {
        assert!(matches!(g().assignors(list).build(), Err(ConfigError::Invalid { .. })));
    }
    let mut group = g();
    group.set(ASSIGNORS, "").unwrap();
    assert!(group.build().is_err());
    let mut group = g();
    group.set(ASSIGNORS, "sticky,org.apache.kafka.clients.consumer.StickyAssignor").unwrap();
    assert!(matches!(group.build(), Err(ConfigError::Invalid { .. })), "Java refuses a name used twice, too");
    assert_eq!(g().assignors(Assignor::ALL).build().unwrap().assignors(), Assignor::ALL);
}

#[test]
fn the_consumer_protocol_falls_back_unless_told_not_to() {
    let mut group = g();
    assert_eq!(group.clone().build().unwrap().protocol(), GroupProtocol::Classic, "as Java");
    assert_eq!(group.set("group.protocol", "Consumer"), Ok(true));
    assert_eq!(group.set("group.remote.assignor", "range"), Ok(true));
    let built = group.clone().build().unwrap();
    assert_eq!(built.protocol(), GroupProtocol::Consumer);
    assert_eq!((built.remote_assignor(), built.protocol_fallback()), (Some("range"), true));
    assert_eq!(group.set("milena.group.protocol.fallback", "false"), Ok(true));
    assert!(!group.build().unwrap().protocol_fallback());
    assert!(matches!(g().set("group.protocol", "share"), Err(ConfigError::Invalid { .. })));
}

#[test]
fn a_remote_assignor_needs_the_consumer_protocol() {
    let error = g().remote_assignor("uniform").build().unwrap_err();
    assert!(matches!(error, ConfigError::Contradiction { .. }), "{error}");
    assert_eq!(g().remote_assignor("").build().unwrap().remote_assignor(), None);
}
