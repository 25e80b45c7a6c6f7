//! Whatever some broker has said, a few honest answers on end put it right.

use proptest::prelude::*;

use super::*;
use crate::wire::{LeaderIdAndEpoch, NodeEndpoint};

/// What a lie, an old answer or half an answer may look like.
fn lie() -> impl Strategy<Value = MetadataResponse> {
    let epoch = prop_oneof![Just(-1), Just(i32::MAX), Just(i32::MIN), 0..12];
    let leaders = prop::collection::vec((-2..6, epoch), 0..4);
    let error = prop_oneof![
        8 => Just(ErrorCode::NONE),
        1 => Just(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        1 => Just(ErrorCode::LEADER_NOT_AVAILABLE),
    ];
    let told =
        ("[ab]", 0..4u8, leaders, error, -1..9i32).prop_map(|(name, topic_id, leaders, error, first)| {
            let mut told = topic(&name, id(topic_id), &leaders);
            told.error = error;
            for (at, partition) in told.partitions.iter_mut().enumerate() {
                partition.partition = first.saturating_add(at as i32);
            }
            told
        });
    (prop::collection::vec(told, 0..3), prop::collection::vec(-1..5, 0..4)).prop_map(|(topics, brokers)| {
        MetadataResponse { brokers: brokers.into_iter().map(broker).collect(), ..answer(topics) }
    })
}

fn hint() -> impl Strategy<Value = (i32, i32, i32)> {
    (0..4, -1..9, prop_oneof![Just(i32::MAX), 0..20])
}

fn truth() -> MetadataResponse {
    answer(vec![topic("a", id(3), &[(1, 5), (2, 8)]), topic("b", id(2), &[(3, 1)])])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn honest_answers_win(lies in prop::collection::vec((lie(), hint()), 0..20)) {
        let (now, asked) = (origin(), topics(&["a", "b"]));
        let mut view = ClusterView::new();
        view.handle_metadata(now, &truth(), &asked).unwrap();
        for (lie, (partition, leader, epoch)) in lies {
            if view.handle_metadata(now, &lie, &asked).is_ok() {
                prop_assert!(view.brokers().count() > 0);
            }
            prop_assert!(view.brokers().all(|(id, _)| id.0 >= 0));
            let hint = LeaderIdAndEpoch { leader: BrokerId(leader), epoch: LeaderEpoch(epoch) };
            let endpoint = NodeEndpoint { id: BrokerId(4), host: "h".to_owned(), port: 1, rack: None };
            let told = epochs(&view);
            view.handle_leader_hint(&tp("a", partition), hint, &[endpoint]);
            for (known, after) in told.iter().zip(epochs(&view)) {
                prop_assert!(after.1 >= known.1, "a hint never takes an epoch back");
            }
        }
        // Five brokers that agree, however the last lies went.
        for _ in 0..5 {
            view.handle_metadata(now, &truth(), &asked).unwrap();
        }
        let mut honest = ClusterView::new();
        honest.handle_metadata(now, &truth(), &asked).unwrap();
        for name in ["a", "b"] {
            let (seen, true_) = (view.topic(name).unwrap(), honest.topic(name).unwrap());
            prop_assert_eq!(seen.id, true_.id);
            prop_assert_eq!(view.topic_name(seen.id).map(|name| &**name), Some(name));
            for partition in 0..2 {
                prop_assert_eq!(view.leader(&tp(name, partition)), honest.leader(&tp(name, partition)));
            }
        }
        // And what never existed is gone, once the doubts of the last change of topic have had their answers too.
        for _ in 0..5 {
            view.handle_metadata(now, &truth(), &asked).unwrap();
        }
        prop_assert_eq!(view.partition_count("a"), Some(2));
        prop_assert_eq!(view.partition_count("b"), Some(1));
    }

    #[test]
    fn an_epoch_goes_back_only_with_the_topic_or_by_repetition(answers in prop::collection::vec(lie(), 1..4)) {
        let (now, asked) = (origin(), topics(&["a"]));
        let mut view = ClusterView::new();
        view.handle_metadata(now, &truth(), &asked).unwrap();
        // Fewer answers than it takes to be believed.
        for answer in answers {
            let (before, id) = (epochs(&view), view.topic("a").map(|topic| topic.id));
            let _ = view.handle_metadata(now, &answer, &asked);
            if view.topic("a").map(|topic| topic.id) == id {
                for (partition, epoch) in before {
                    let after = view.partition(&tp("a", partition)).map(|partition| partition.leader_epoch);
                    prop_assert!(after >= Some(epoch), "{after:?} after {epoch:?}");
                }
            }
        }
    }
}

fn epochs(view: &ClusterView) -> Vec<(i32, Option<LeaderEpoch>)> {
    view.topic("a")
        .map(|topic| topic.partitions().map(|(n, p)| (n, p.leader_epoch)).collect())
        .unwrap_or_default()
}
