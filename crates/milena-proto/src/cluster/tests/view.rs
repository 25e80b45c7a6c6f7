use super::*;
use crate::cluster::partition::DOUBTS_MAX;
use crate::cluster::{Change, MetadataRefused};
use crate::wire::{LeaderIdAndEpoch, NodeEndpoint};

fn tell(view: &mut ClusterView, topics_told: Vec<MetadataTopic>) -> Vec<Change> {
    view.handle_metadata(origin(), &answer(topics_told), &topics(&["a"])).unwrap()
}

fn leader_moved(partition: i32, leader: i32, epoch: i32) -> Change {
    Change::LeaderMoved {
        tp: tp("a", partition),
        leader: (leader >= 0).then_some(BrokerId(leader)),
        epoch: LeaderEpoch::from_wire(epoch),
    }
}

fn led_by(view: &ClusterView, partition: i32) -> Option<(i32, i32)> {
    view.leader(&tp("a", partition)).map(|(leader, epoch)| (leader.0, LeaderEpoch::to_wire(epoch)))
}

#[test]
fn the_first_answer_tells_everything() {
    let mut view = ClusterView::new();
    let changes = tell(&mut view, vec![topic("a", id(7), &[(1, 5), (2, 8)])]);
    let appeared = Change::TopicAppeared { topic: "a".into(), id: id(7), partitions: 2 };
    assert_eq!(changes, [Change::BrokersChanged, appeared]);
    assert_eq!((led_by(&view, 0), led_by(&view, 1), led_by(&view, 2)), (Some((1, 5)), Some((2, 8)), None));
    assert_eq!(view.partition_count("a"), Some(2));
    assert_eq!(view.topic_name(id(7)).map(|name| &**name), Some("a"));
    assert_eq!(view.topic("a").map(|topic| topic.id), Some(id(7)));
    assert_eq!(
        view.broker(BrokerId(2)).map(|broker| (broker.host.as_str(), broker.port)),
        Some(("b2", 9092))
    );
    assert_eq!((view.cluster_id(), view.controller()), (Some("cluster"), Some(BrokerId(1))));
    assert_eq!(tell(&mut view, vec![topic("a", id(7), &[(1, 5), (2, 8)])]), []);
}

#[test]
fn newer_epochs_move_leaders() {
    let mut view = knowing_a();
    let changes = tell(&mut view, vec![topic("a", id(7), &[(3, 6), (2, 8)])]);
    assert_eq!(changes, [leader_moved(0, 3, 6)]);
    // The same leader, elected again, may have lost what was not replicated.
    assert_eq!(tell(&mut view, vec![topic("a", id(7), &[(3, 7), (2, 8)])]), [leader_moved(0, 3, 7)]);
    assert_eq!(tell(&mut view, vec![topic("a", id(7), &[(-1, 8), (2, 8)])]), [leader_moved(0, -1, 8)]);
    assert_eq!(led_by(&view, 0), None);
}

#[test]
fn an_older_epoch_is_not_believed() {
    let mut view = knowing_a();
    for _ in 0..4 {
        assert_eq!(tell(&mut view, vec![topic("a", id(7), &[(3, 4), (2, 8)])]), []);
        assert_eq!(led_by(&view, 0), Some((1, 5)));
    }
    // Somebody who knows better in between starts the count anew.
    tell(&mut view, vec![topic("a", id(7), &[(1, 5), (2, 8)])]);
    for _ in 0..4 {
        assert_eq!(tell(&mut view, vec![topic("a", id(7), &[(3, 4), (2, 8)])]), []);
    }
    // So does another tale.
    assert_eq!(tell(&mut view, vec![topic("a", id(7), &[(2, 3), (2, 8)])]), []);
    assert_eq!(tell(&mut view, vec![topic("a", id(7), &[(3, 4), (2, 8)])]), []);
    assert_eq!(led_by(&view, 0), Some((1, 5)));
}

#[test]
fn one_lie_about_an_epoch_does_not_silence_the_truth_for_good() {
    let mut view = knowing_a();
    tell(&mut view, vec![topic("a", id(7), &[(2, i32::MAX), (2, 8)])]);
    assert_eq!(led_by(&view, 0), Some((2, i32::MAX)));
    for _ in 0..4 {
        assert_eq!(tell(&mut view, vec![topic("a", id(7), &[(1, 5), (2, 8)])]), []);
    }
    assert_eq!(tell(&mut view, vec![topic("a", id(7), &[(1, 5), (2, 8)])]), [leader_moved(0, 1, 5)]);
    assert_eq!(led_by(&view, 0), Some((1, 5)));
}

#[test]
fn brokers_without_epochs_are_believed_as_long_as_all_are() {
    let mut view = ClusterView::new();
    tell(&mut view, vec![topic("a", TopicId::ZERO, &[(1, -1)])]);
    assert_eq!(tell(&mut view, vec![topic("a", TopicId::ZERO, &[(2, -1)])]), [leader_moved(0, 2, -1)]);
    let mut view = knowing_a();
    assert_eq!(tell(&mut view, vec![topic("a", id(7), &[(3, -1), (2, 8)])]), []);
    assert_eq!(led_by(&view, 0), Some((1, 5)));
}

#[test]
fn not_in_this_answer_is_not_deleted() {
    let gone = |error| Change::TopicMissing { topic: "a".into(), error };
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let denied = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    let mut view = knowing_a();
    assert_eq!(tell(&mut view, vec![]), [gone(unknown)]);
    assert_eq!(tell(&mut view, vec![missing("a", denied)]), [gone(denied)]);
    assert_eq!(view.topic("a").map(|topic| topic.error), Some(denied));
    assert!(view.topic("a").unwrap().missing_since.is_some());
    // Fewer partitions than before.
    assert_eq!(tell(&mut view, vec![topic("a", id(7), &[(1, 5)])]), []);
    assert_eq!((led_by(&view, 0), led_by(&view, 1)), (Some((1, 5)), Some((2, 8))));
    let known = view.topic("a").unwrap();
    assert_eq!((known.error, known.missing_since), (ErrorCode::NONE, None));
}

#[test]
fn what_was_not_asked_for_is_not_missing() {
    let mut view = knowing_a();
    let nothing = answer(vec![]);
    for asked in [Asked::Nothing, topics(&["b"])] {
        assert_eq!(view.handle_metadata(origin(), &nothing, &asked), Ok(vec![]));
    }
    let all = view.handle_metadata(origin(), &nothing, &Asked::All).unwrap();
    assert!(matches!(&all[..], [Change::TopicMissing { .. }]));
}

#[test]
fn a_topic_that_nobody_has_is_told() {
    let mut view = ClusterView::new();
    let error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let changes = tell(&mut view, vec![missing("a", error)]);
    assert!(changes.contains(&Change::TopicMissing { topic: "a".into(), error }));
    assert_eq!(view.topic("a"), None);
}

#[test]
fn new_partitions_are_told() {
    let mut view = knowing_a();
    let changes = tell(&mut view, vec![topic("a", id(7), &[(1, 5), (2, 8), (3, 0), (1, 0)])]);
    assert_eq!(changes, [Change::PartitionsAdded { topic: "a".into(), from: 2, to: 4 }]);
    assert_eq!(led_by(&view, 2), Some((3, 0)));
}

#[test]
fn partitions_that_nobody_else_knows_were_never_there() {
    let mut view = knowing_a();
    tell(&mut view, vec![topic("a", id(7), &[(1, 5), (2, 8), (3, 0), (3, 0)])]);
    let two = || vec![topic("a", id(7), &[(1, 5), (2, 8)])];
    for _ in 0..4 {
        assert_eq!(tell(&mut view, two()), []);
    }
    tell(&mut view, vec![topic("a", id(7), &[(1, 5), (2, 8), (3, 0)])]);
    let disproved = |partitions| Change::PartitionsDisproved { topic: "a".into(), partitions };
    assert_eq!(view.partition_count("a"), Some(3));
    for _ in 0..4 {
        assert_eq!(tell(&mut view, two()), []);
    }
    assert_eq!(tell(&mut view, two()), [disproved(vec![2])]);
    assert_eq!(view.partition_count("a"), Some(2));
}

#[test]
fn another_id_is_another_topic_and_its_epochs_begin_anew() {
    let mut view = knowing_a();
    let recreated = |old, new| Change::TopicRecreated { topic: "a".into(), old, new };
    let changes = tell(&mut view, vec![topic("a", id(9), &[(3, 0)])]);
    assert_eq!(changes, [recreated(id(7), id(9))]);
    assert_eq!((led_by(&view, 0), view.partition_count("a")), (Some((3, 0)), Some(1)));
    assert_eq!((view.topic_name(id(7)), view.topic_name(id(9)).is_some()), (None, true));
    // A broker that still knows the old topic is behind, unless it is the only story one hears.
    for _ in 0..4 {
        assert_eq!(tell(&mut view, vec![topic("a", id(7), &[(1, 5)])]), []);
    }
    assert_eq!(view.topic("a").map(|topic| topic.id), Some(id(9)));
    assert_eq!(tell(&mut view, vec![topic("a", id(7), &[(1, 5)])]), [recreated(id(9), id(7))]);
    assert_eq!(led_by(&view, 0), Some((1, 5)));
}

#[test]
fn an_id_that_is_learnt_or_left_out_is_no_other_topic() {
    let mut view = ClusterView::new();
    tell(&mut view, vec![topic("a", TopicId::ZERO, &[(1, 5)])]);
    assert_eq!(tell(&mut view, vec![topic("a", id(7), &[(1, 5)])]), []);
    assert_eq!(view.topic_name(id(7)).map(|name| &**name), Some("a"));
    assert_eq!(tell(&mut view, vec![topic("a", TopicId::ZERO, &[(1, 5)])]), []);
    assert_eq!(view.topic("a").map(|topic| topic.id), Some(id(7)));
}

#[test]
fn answers_that_cannot_be_true_change_nothing() {
    let table = [
        (vec![], MetadataRefused::NoBrokers),
        (vec![broker(1), broker(2), broker(1)], MetadataRefused::DuplicateBroker(BrokerId(1))),
        (vec![broker(1), broker(-2)], MetadataRefused::NegativeBroker(BrokerId(-2))),
    ];
    for (brokers, refused) in table {
        let mut view = knowing_a();
        let lie = MetadataResponse { brokers, ..answer(vec![topic("a", id(9), &[(9, 99)])]) };
        assert_eq!(view.handle_metadata(origin(), &lie, &topics(&["a"])), Err(refused));
        assert_eq!((led_by(&view, 0), view.brokers().count()), (Some((1, 5)), 3));
    }
    let mut view = knowing_a();
    let error = MetadataResponse { error: ErrorCode::UNKNOWN_SERVER_ERROR, ..answer(vec![]) };
    let refused = view.handle_metadata(origin(), &error, &topics(&["a"]));
    assert_eq!(refused, Err(MetadataRefused::Error(ErrorCode::UNKNOWN_SERVER_ERROR)));
}

#[test]
fn odd_partitions_are_not_taken() {
    let mut view = ClusterView::new();
    let mut odd = topic("a", id(7), &[(1, 5), (1, 5)]);
    odd.partitions[1].partition = -1;
    tell(&mut view, vec![odd.clone()]);
    tell(&mut view, vec![odd]);
    assert_eq!(view.partition_count("a"), Some(1));
}

#[test]
fn another_cluster_is_told() {
    let mut view = knowing_a();
    let other = MetadataResponse { cluster_id: Some("other".to_owned()), ..answer(vec![]) };
    let changes = view.handle_metadata(origin(), &other, &Asked::Nothing).unwrap();
    assert_eq!(changes, [Change::ClusterChanged { old: "cluster".to_owned(), new: "other".to_owned() }]);
}

fn hint(leader: i32, epoch: i32) -> LeaderIdAndEpoch {
    LeaderIdAndEpoch { leader: BrokerId(leader), epoch: LeaderEpoch(epoch) }
}

fn endpoint(id: i32, host: &str) -> NodeEndpoint {
    NodeEndpoint { id: BrokerId(id), host: host.to_owned(), port: 9093, rack: None }
}

#[test]
fn a_hint_moves_a_leader_forward_only() {
    let mut view = knowing_a();
    assert_eq!(view.handle_leader_hint(&tp("a", 0), hint(2, 5), &[]), None);
    assert_eq!(view.handle_leader_hint(&tp("a", 0), hint(2, 4), &[]), None);
    assert_eq!(view.handle_leader_hint(&tp("a", 0), hint(2, 6), &[]), Some(leader_moved(0, 2, 6)));
    assert_eq!(led_by(&view, 0), Some((2, 6)));
    assert_eq!(view.handle_leader_hint(&tp("a", 9), hint(2, 6), &[]), None);
    assert_eq!(view.handle_leader_hint(&tp("z", 0), hint(2, 6), &[]), None);
}

#[test]
fn a_hint_needs_an_address_and_may_bring_one() {
    let mut view = knowing_a();
    assert_eq!(view.handle_leader_hint(&tp("a", 0), hint(8, 6), &[endpoint(7, "h")]), None);
    assert_eq!(view.handle_leader_hint(&tp("a", 0), hint(-1, 6), &[endpoint(-1, "h")]), None);
    assert_eq!(led_by(&view, 0), Some((1, 5)));
    let moved = view.handle_leader_hint(&tp("a", 0), hint(8, 6), &[endpoint(8, "h")]);
    assert_eq!(moved, Some(leader_moved(0, 8, 6)));
    assert_eq!(view.broker(BrokerId(8)).map(|broker| broker.host.as_str()), Some("h"));
    // What is no news brings no address either.
    view.handle_leader_hint(&tp("a", 0), hint(8, 6), &[endpoint(8, "elsewhere")]);
    assert_eq!(view.broker(BrokerId(8)).map(|broker| broker.host.as_str()), Some("h"));
}

#[test]
fn topics_that_nobody_reads_are_forgotten() {
    let mut view = knowing_a();
    tell(&mut view, vec![topic("a", id(7), &[(1, 5)]), topic("b", id(8), &[(1, 5)])]);
    view.retain_topics(|name| &**name == "b");
    assert_eq!((view.topic("a"), view.topic_name(id(7))), (None, None));
    assert_eq!(view.topics().map(|(name, _)| &**name).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_topic_that_many_answers_on_end_do_not_show_is_gone() {
    let mut view = ClusterView::new();
    let all = |view: &mut ClusterView, topics: Vec<MetadataTopic>| {
        view.handle_metadata(origin(), &answer(topics), &Asked::All).unwrap();
        view.forget_absent(|name| &**name == "named")
    };
    let (a, named) = (topic("a", id(7), &[(1, 5)]), topic("named", id(8), &[(1, 5)]));
    all(&mut view, vec![a.clone(), named.clone()]);
    for _ in 1..DOUBTS_MAX {
        assert_eq!(all(&mut view, vec![]), []);
        assert!(view.topic("a").unwrap().is_absent());
    }
    // Seen once more, it is there, and has to be missed as often again.
    assert_eq!(all(&mut view, vec![a]), []);
    assert!(!view.topic("a").unwrap().is_absent());
    for _ in 1..DOUBTS_MAX {
        assert_eq!(all(&mut view, vec![]), []);
    }
    // It is there, and cannot be shown: that is no deletion, however often it is said.
    let starting = ErrorCode::LEADER_NOT_AVAILABLE;
    assert_eq!(all(&mut view, vec![missing("a", starting)]), []);
    for _ in 1..DOUBTS_MAX {
        assert_eq!(all(&mut view, vec![]), []);
    }
    assert_eq!(all(&mut view, vec![]), [Change::TopicGone { topic: "a".into() }]);
    assert_eq!((view.topic("a"), view.topic_name(id(7))), (None, None));
    assert!(view.topic("named").unwrap().is_absent(), "somebody reads it by its name");
}
