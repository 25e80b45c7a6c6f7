//! KIP-848, rule by rule. What is expected here was answered by a real Kafka 4.3.1.

use std::time::Duration;

use kafka_protocol::messages::ConsumerGroupHeartbeatResponse;

use super::super::script::{Beat, Joiner, Script, partitions, subscription, text};
use crate::error_code::ErrorCode;

/// Sends a heartbeat that is good.
fn beat(script: &mut Script, beat: &Beat) -> ConsumerGroupHeartbeatResponse {
    match script.beat(beat) {
        Ok(answer) => answer,
        Err(refused) => panic!("{beat:?} was refused: {refused:?}"),
    }
}

/// Sends a heartbeat that is not.
fn refused(script: &mut Script, beat: &Beat) -> ErrorCode {
    match script.beat(beat) {
        Ok(answer) => panic!("{beat:?} was taken: {answer:?}"),
        Err(refused) => refused.code,
    }
}

/// Epoch and partitions of an answer.
fn seen(answer: &ConsumerGroupHeartbeatResponse) -> (i32, Option<Vec<i32>>) {
    (answer.member_epoch, partitions(answer))
}

/// A stable classic group of one, with an assignment that can be read: none.
fn classic(script: &mut Script) -> (String, i32) {
    let (member, token) = script.newcomer();
    let generation = script.joined(token).generation_id;
    let token = script.sync(&member, generation, &[]);
    assert_eq!(script.synced(token).error_code, 0);
    (member, generation)
}

/// `a` has 0 and 1, `b` has 2 and 3, both at epoch 3.
fn shared(script: &mut Script) {
    beat(script, &Beat::joining("a"));
    beat(script, &Beat::joining("b"));
    beat(script, &Beat::owning("a", 2, &[0, 1, 2, 3]));
    beat(script, &Beat::owning("a", 2, &[0, 1]));
    assert_eq!(seen(&beat(script, &Beat::of("b", 3))), (3, Some(vec![2, 3])));
}

#[test]
fn the_first_member_gets_everything_at_epoch_two() {
    let mut script = Script::new();
    let answer = beat(&mut script, &Beat::joining("a"));
    assert_eq!(seen(&answer), (2, Some(vec![0, 1, 2, 3])));
    assert_eq!(answer.heartbeat_interval_ms, 5_000);
    assert_eq!(seen(&beat(&mut script, &Beat::of("a", 2))), (2, None), "nothing new, so nothing is said");
}

#[test]
fn without_a_subscription_a_member_joins_at_epoch_one() {
    let mut script = Script::new();
    let joining = Beat { topics: Some(Vec::new()), ..Beat::joining("a") };
    assert_eq!(seen(&beat(&mut script, &joining)), (1, Some(vec![])));
}

#[test]
fn partitions_are_given_up_before_they_are_given_away() {
    let mut script = Script::new();
    beat(&mut script, &Beat::joining("a"));
    assert_eq!(seen(&beat(&mut script, &Beat::joining("b"))), (3, Some(vec![])), "nothing is free yet");
    assert_eq!(seen(&beat(&mut script, &Beat::owning("a", 2, &[0, 1, 2, 3]))), (2, Some(vec![0, 1])));
    assert_eq!(seen(&beat(&mut script, &Beat::of("b", 3))), (3, None));
    assert_eq!(script.groups.state("g"), "Reconciling");
    assert_eq!(
        seen(&beat(&mut script, &Beat::of("a", 2))),
        (2, None),
        "no word about what it has: still not given up"
    );
    assert_eq!(seen(&beat(&mut script, &Beat::owning("a", 2, &[0, 1]))), (3, None));
    assert_eq!(seen(&beat(&mut script, &Beat::of("b", 3))), (3, Some(vec![2, 3])));
    assert_eq!(script.groups.state("g"), "Stable");
}

#[test]
fn a_target_is_made_at_most_once_in_an_interval() {
    let mut script = Script::with(|config| config.consumer_assignment_interval = Duration::from_secs(1));
    assert_eq!(
        seen(&beat(&mut script, &Beat::joining("a"))),
        (2, Some(vec![0, 1, 2, 3])),
        "the first is made at once"
    );
    script.pass(300);
    assert_eq!(
        seen(&beat(&mut script, &Beat::joining("b"))),
        (2, Some(vec![])),
        "an assignment that is not there yet"
    );
    assert_eq!(script.groups.state("g"), "Assigning");
    script.pass(699);
    assert_eq!(seen(&beat(&mut script, &Beat::of("b", 2))), (2, None));
    script.pass(1);
    assert_eq!(seen(&beat(&mut script, &Beat::of("b", 2))), (3, None));
    assert_eq!(script.groups.state("g"), "Reconciling");
}

#[test]
fn a_wrong_epoch_is_fenced_but_the_one_before_with_nothing_strange_is_a_lost_answer() {
    let mut script = Script::new();
    shared(&mut script);
    assert_eq!(refused(&mut script, &Beat::of("a", 4)), ErrorCode::FENCED_MEMBER_EPOCH);
    assert_eq!(refused(&mut script, &Beat::of("a", 1)), ErrorCode::FENCED_MEMBER_EPOCH);
    assert_eq!(
        refused(&mut script, &Beat::of("a", 2)),
        ErrorCode::FENCED_MEMBER_EPOCH,
        "it does not say what it has"
    );
    assert_eq!(
        refused(&mut script, &Beat::owning("a", 2, &[0, 2])),
        ErrorCode::FENCED_MEMBER_EPOCH,
        "2 is b's"
    );
    assert_eq!(beat(&mut script, &Beat::owning("a", 2, &[0, 1])).member_epoch, 3);
    assert_eq!(refused(&mut script, &Beat::of("c", 3)), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_session_ends_without_heartbeats_and_frees_the_partitions() {
    let mut script = Script::new();
    shared(&mut script);
    script.pass(30_000);
    beat(&mut script, &Beat::of("b", 3));
    script.pass(15_000);
    assert_eq!(refused(&mut script, &Beat::of("a", 3)), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(seen(&beat(&mut script, &Beat::of("b", 3))), (4, Some(vec![0, 1, 2, 3])));
}

#[test]
fn who_does_not_give_up_within_its_rebalance_timeout_is_out_heartbeats_or_not() {
    let mut script = Script::new();
    beat(&mut script, &Beat { rebalance_ms: 6_000, ..Beat::joining("a") });
    beat(&mut script, &Beat::joining("b"));
    assert_eq!(partitions(&beat(&mut script, &Beat::owning("a", 2, &[0, 1, 2, 3]))), Some(vec![0, 1]));
    script.pass(5_999);
    assert_eq!(seen(&beat(&mut script, &Beat::owning("a", 2, &[0, 1, 2, 3]))), (2, None));
    script.pass(1);
    assert_eq!(refused(&mut script, &Beat::of("a", 2)), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(partitions(&beat(&mut script, &Beat::of("b", 3))), Some(vec![0, 1, 2, 3]));
}

#[test]
fn a_member_that_leaves_frees_its_partitions_at_once() {
    let mut script = Script::new();
    shared(&mut script);
    assert_eq!(beat(&mut script, &Beat::of("a", -1)).member_epoch, -1);
    assert_eq!(seen(&beat(&mut script, &Beat::of("b", 3))), (4, Some(vec![0, 1, 2, 3])));
    beat(&mut script, &Beat::of("b", -1));
    assert_eq!(script.groups.state("g"), "Empty");
}

#[test]
fn a_static_member_that_is_away_keeps_its_partitions_for_its_return() {
    let mut script = Script::new();
    let joining = |id: &str| Beat { instance: Some("i"), ..Beat::joining(id) };
    let of = |id: &str, epoch| Beat { instance: Some("i"), ..Beat::of(id, epoch) };
    beat(&mut script, &joining("a"));
    assert_eq!(refused(&mut script, &joining("b")), ErrorCode::UNRELEASED_INSTANCE_ID);
    assert_eq!(beat(&mut script, &of("a", -2)).member_epoch, -2);
    assert_eq!(refused(&mut script, &of("a", 2)), ErrorCode::FENCED_MEMBER_EPOCH);
    assert_eq!(script.commit("a", -2, 5), Ok(()));
    assert_eq!(script.commit("a", 2, 5), Err(ErrorCode::STALE_MEMBER_EPOCH));
    assert_eq!(
        seen(&beat(&mut script, &joining("b"))),
        (2, Some(vec![0, 1, 2, 3])),
        "no new epoch, so no rebalance"
    );
    assert_eq!(refused(&mut script, &of("a", 2)), ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(refused(&mut script, &Beat::of("a", 2)), ErrorCode::UNKNOWN_MEMBER_ID);
    let stranger = Beat { instance: Some("other"), ..Beat::of("b", 2) };
    assert_eq!(refused(&mut script, &stranger), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_static_member_that_stays_away_is_out_when_its_session_ends() {
    let mut script = Script::new();
    beat(&mut script, &Beat { instance: Some("i"), ..Beat::joining("a") });
    beat(&mut script, &Beat { instance: Some("i"), ..Beat::of("a", -2) });
    script.pass(44_999);
    assert_eq!(script.groups.members("g"), ["a"]);
    script.pass(1);
    assert_eq!(script.groups.state("g"), "Empty");
}

#[test]
fn a_regular_expression_is_resolved_after_the_heartbeat_that_brings_it() {
    let mut script = Script::new();
    script.topics.set("tea", 1);
    script.topics.set("coffee", 1);
    let joining = |id: &str, regex| Beat { topics: None, regex: Some(regex), ..Beat::joining(id) };
    assert_eq!(seen(&beat(&mut script, &joining("a", "t.*"))), (1, Some(vec![])));
    let answer = beat(&mut script, &Beat::of("a", 1));
    assert_eq!(answer.member_epoch, 2);
    let topics = answer.assignment.map(|assignment| assignment.topic_partitions.len());
    assert_eq!(topics, Some(2), "t and tea, not coffee");
    assert_eq!(refused(&mut script, &joining("b", "t[")), ErrorCode::INVALID_REGULAR_EXPRESSION);
    assert_eq!(
        beat(&mut script, &joining("c", "t.*")).member_epoch,
        3,
        "resolved already: it counts at once"
    );
}

#[test]
fn a_regular_expression_finds_new_topics_after_ten_seconds() {
    let mut script = Script::new();
    beat(&mut script, &Beat { topics: None, regex: Some("t.*"), ..Beat::joining("a") });
    beat(&mut script, &Beat::of("a", 1));
    script.topics.set("tea", 1);
    script.groups.topics_version += 1;
    script.pass(9_000);
    assert_eq!(beat(&mut script, &Beat::of("a", 2)).member_epoch, 2);
    script.pass(1_001);
    assert_eq!(beat(&mut script, &Beat::of("a", 2)).member_epoch, 2, "this one makes it look");
    let answer = beat(&mut script, &Beat::of("a", 2));
    assert_eq!(answer.assignment.map(|assignment| assignment.topic_partitions.len()), Some(2));
}

#[test]
fn more_partitions_and_new_topics_make_another_assignment() {
    let mut script = Script::new();
    beat(&mut script, &Beat { topics: Some(vec!["t", "later"]), ..Beat::joining("a") });
    script.topics.set("t", 6);
    script.groups.topics_version += 1;
    assert_eq!(seen(&beat(&mut script, &Beat::of("a", 2))), (3, Some(vec![0, 1, 2, 3, 4, 5])));
    script.topics.set("later", 1);
    script.groups.topics_version += 1;
    let answer = beat(&mut script, &Beat::of("a", 3));
    assert_eq!(answer.assignment.map(|assignment| assignment.topic_partitions.len()), Some(2));
}

#[test]
fn a_recreated_topic_is_given_up_under_its_old_id_first() {
    let mut script = Script::new();
    beat(&mut script, &Beat::joining("a"));
    let old = super::super::call::Topics::by_name(&script.topics, "t").expect("t exists").0;
    script.topics.remove("t");
    script.topics.set("t", 4);
    script.groups.topics_version += 1;
    let told = beat(&mut script, &Beat::of("a", 2));
    assert_eq!(seen(&told), (2, Some(vec![])), "give up the old ones, at the old epoch");
    let acknowledged = beat(&mut script, &Beat::owning("a", 2, &[]));
    assert_eq!(acknowledged.member_epoch, 3);
    let ids = acknowledged.assignment.map(|all| all.topic_partitions[0].topic_id);
    assert!(ids.is_some_and(|id| id != old), "and get the new ones by the same answer");
}

#[test]
fn a_dropped_topic_is_taken_away_before_there_is_a_new_target() {
    let mut script = Script::with(|config| config.consumer_assignment_interval = Duration::from_secs(1));
    script.topics.set("u", 1);
    beat(&mut script, &Beat { topics: Some(vec!["t", "u"]), ..Beat::joining("a") });
    let answer = beat(&mut script, &Beat { topics: Some(vec!["u"]), ..Beat::of("a", 2) });
    assert_eq!(answer.member_epoch, 2);
    assert_eq!(partitions(&answer), Some(vec![0]), "u-0 alone");
}

#[test]
fn malformed_heartbeats_are_refused_before_anything_happens() {
    let mut script = Script::new();
    let cases = [
        Beat { epoch: -5, ..Beat::joining("a") },
        Beat { member: String::new(), ..Beat::joining("a") },
        Beat { rebalance_ms: -1, ..Beat::joining("a") },
        Beat { owned: None, ..Beat::joining("a") },
        Beat { topics: None, ..Beat::joining("a") },
        Beat { instance: Some(""), ..Beat::joining("a") },
        Beat::of("a", -2),
    ];
    for case in cases {
        assert_eq!(refused(&mut script, &case), ErrorCode::INVALID_REQUEST, "{case:?}");
    }
    let assignor = Beat { assignor: Some("sticky"), ..Beat::joining("a") };
    assert_eq!(refused(&mut script, &assignor), ErrorCode::UNSUPPORTED_ASSIGNOR);
    assert_eq!(refused(&mut script, &Beat::of("a", 3)), ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(refused(&mut script, &Beat::of("a", -1)), ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(script.groups.state("g"), "Dead");
}

#[test]
fn a_full_consumer_group_turns_newcomers_away() {
    let mut script = Script::with(|config| config.consumer_max_size = 1);
    beat(&mut script, &Beat::joining("a"));
    assert_eq!(refused(&mut script, &Beat::joining("b")), ErrorCode::GROUP_MAX_SIZE_REACHED);
    assert_eq!(beat(&mut script, &Beat::of("a", 2)).member_epoch, 2);
}

#[test]
fn epochs_survive_a_move_of_the_coordinator_and_sessions_begin_anew() {
    let mut script = Script::new();
    shared(&mut script);
    script.pass(40_000);
    script.groups.reload(&text("g"));
    script.pass(40_000);
    assert_eq!(beat(&mut script, &Beat::of("a", 3)).member_epoch, 3);
    assert_eq!(refused(&mut script, &Beat::of("b", 2)), ErrorCode::FENCED_MEMBER_EPOCH);
    script.pass(5_000);
    assert_eq!(script.groups.members("g"), ["a"]);
}

#[test]
fn a_living_classic_group_becomes_a_consumer_group_and_its_members_stay() {
    let mut script = Script::new();
    let (classic, generation) = classic(&mut script);
    let answer = beat(&mut script, &Beat::joining("new"));
    assert_eq!(answer.member_epoch, generation + 1);
    assert_eq!(script.heartbeat(&classic, generation), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    assert_eq!(script.commit(&classic, generation, 5), Ok(()), "the generation is its epoch");
    let token = script.join(&Joiner::member(&classic));
    let joined = script.joined(token);
    assert_eq!((joined.error_code, joined.generation_id), (0, generation + 1));
    assert_eq!(joined.protocol_name, Some(text("range")));
    let token = script.sync(&classic, generation + 1, &[]);
    assert!(!script.synced(token).assignment.is_empty());
    // KIP-1251, for classic members too: nothing was assigned to it then, so nothing can be committed with that generation.
    assert_eq!(script.commit(&classic, generation, 6), Err(ErrorCode::ILLEGAL_GENERATION));
}

#[test]
fn who_begins_anew_has_given_everything_up() {
    let mut script = Script::new();
    beat(&mut script, &Beat::joining("a"));
    beat(&mut script, &Beat::joining("b"));
    beat(&mut script, &Beat::owning("a", 2, &[0, 1, 2, 3]));
    assert_eq!(seen(&beat(&mut script, &Beat::joining("a"))), (3, Some(vec![0, 1])));
    assert_eq!(partitions(&beat(&mut script, &Beat::of("b", 3))), Some(vec![2, 3]));
}

#[test]
fn a_member_of_either_protocol_can_be_removed_by_leave_group() {
    let mut script = Script::new();
    shared(&mut script);
    let answer = script.leave(&[("a", None), ("ghost", None)]);
    let codes: Vec<ErrorCode> = answer.members.iter().map(|member| ErrorCode(member.error_code)).collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID]);
    assert_eq!(refused(&mut script, &Beat::of("a", 3)), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(partitions(&beat(&mut script, &Beat::of("b", 3))), Some(vec![0, 1, 2, 3]));
}

#[test]
fn a_classic_group_whose_assignments_cannot_be_read_stays_what_it_is() {
    let mut script = Script::new();
    let (member, generation) = script.alone();
    assert_eq!(refused(&mut script, &Beat::joining("new")), ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(script.heartbeat(&member, generation), Ok(()));
}

#[test]
fn a_group_becomes_classic_again_when_its_last_consumer_member_leaves() {
    let mut script = Script::new();
    let (classic, _) = classic(&mut script);
    let epoch = beat(&mut script, &Beat::joining("new")).member_epoch;
    let token = script.join(&Joiner::member(&classic));
    let generation = script.joined(token).generation_id;
    beat(&mut script, &Beat::of("new", -1));
    assert_eq!(script.heartbeat(&classic, generation), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    assert_eq!(script.groups.state("g"), "PreparingRebalance");
    let token = script.join(&Joiner::member(&classic));
    let answer = script.joined(token);
    assert_eq!((answer.generation_id, answer.members.len()), (epoch + 1, 1));
}

#[test]
fn a_classic_member_that_does_not_sync_or_join_in_time_is_out() {
    let mut script = Script::new();
    beat(&mut script, &Beat::joining("new"));
    let joiner = Joiner {
        version: 3,
        rebalance_ms: 7_000,
        protocols: vec![("range", subscription(&["t"]))],
        ..Joiner::default()
    };
    let token = script.join(&joiner);
    let member = script.joined(token).member_id.to_string();
    script.pass(6_999);
    assert!(script.groups.members("g").contains(&member));
    script.pass(1);
    assert!(!script.groups.members("g").contains(&member), "it never sent SyncGroup");
}

#[test]
fn an_empty_group_of_one_protocol_gives_way_to_the_other_and_keeps_its_offsets() {
    let mut script = Script::new();
    script.commit("", -1, 5).expect("plain");
    beat(&mut script, &Beat::joining("a"));
    assert_eq!(script.fetch(false).0, 5);
    beat(&mut script, &Beat::of("a", -1));
    let (_, generation) = script.alone();
    assert_eq!(generation, 1);
    assert_eq!(script.fetch(false).0, 5);
}

#[test]
fn a_description_tells_current_and_target_assignments() {
    let mut script = Script::new();
    beat(&mut script, &Beat::joining("a"));
    beat(&mut script, &Beat::joining("b"));
    beat(&mut script, &Beat::of("a", 2));
    let described = script.groups.describe_consumer(&text("g"), &script.topics);
    assert_eq!((described.group_epoch, described.assignment_epoch), (3, 3));
    assert_eq!(described.assignor_name, text("uniform"));
    let counts: Vec<(usize, usize)> = described
        .members
        .iter()
        .map(|member| {
            let count = |all: &kafka_protocol::messages::consumer_group_describe_response::Assignment| {
                all.topic_partitions.iter().map(|topic| topic.partitions.len()).sum()
            };
            (count(&member.assignment), count(&member.target_assignment))
        })
        .collect();
    assert_eq!(counts, [(4, 2), (0, 2)], "what a is told to give up is still its own");
    let missing = script.groups.describe(&text("g"), 6);
    assert_eq!(ErrorCode(missing.error_code), ErrorCode::GROUP_ID_NOT_FOUND, "no classic group");
}
