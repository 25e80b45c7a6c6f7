//! Every move of a position that is not a delivery is an event with its cause, the old and the new offset.

use proto::cluster::Asked as AskedFor;
use proto::position::Replica;
use proto::wire::{ErrorCode, MetadataBroker, MetadataPartition, MetadataResponse, MetadataTopic};

use super::*;
use crate::config::OffsetReset;

/// A table with one partition, which is led by broker 1 in leader epoch 5.
struct Script {
    table: Table,
    view: ClusterView,
    tp: TopicPartition,
}

impl Script {
    fn new(start: Start, reset: OffsetReset) -> Self {
        let fetch = FetchConfig::builder().offset_reset(reset).build().unwrap();
        let client = ClientConfig::bootstrap("localhost:9").unwrap().build().unwrap();
        let mut script = Self {
            table: Table::new(&fetch, &client, Arc::new(Notify::new())),
            view: ClusterView::new(),
            tp: TopicPartition::new("orders", 0),
        };
        script.table.assign(script.tp.clone(), TopicId([1; 16]), Generation(1), start);
        script.leader(1, 5);
        script
    }

    /// Fetched up to `fetched` in leader epoch 5, and handed out up to `read`.
    fn reading(read: i64, fetched: i64, reset: OffsetReset) -> Self {
        let mut script = Self::new(Start::Offset(10), reset);
        script.moves(MoveCause::Started, None, 10, None);
        let entry = script.entry();
        assert!(entry.position.handle_delivered(10, fetched, Some(LeaderEpoch(5))));
        entry.lease.set_position(read);
        script
    }

    fn entry(&mut self) -> &mut Entry {
        self.table.entries.get_mut(&self.tp).unwrap()
    }

    /// Metadata: the topic has this id, and this leader epoch.
    fn leader(&mut self, id: u8, epoch: i32) -> Vec<Stamp> {
        let broker = MetadataBroker { id: BrokerId(1), host: "b".into(), port: 9, rack: None };
        let partition = MetadataPartition {
            error: ErrorCode::NONE,
            partition: 0,
            leader: Some(BrokerId(1)),
            leader_epoch: LeaderEpoch::from_wire(epoch),
            replicas: vec![BrokerId(1)],
            isr: vec![BrokerId(1)],
            offline: Vec::new(),
        };
        let topic = MetadataTopic {
            error: ErrorCode::NONE,
            name: Some("orders".into()),
            id: TopicId([id; 16]),
            is_internal: false,
            partitions: vec![partition],
        };
        let answer =
            MetadataResponse { brokers: vec![broker], topics: vec![topic], ..MetadataResponse::default() };
        self.view.handle_metadata(clock::now(), &answer, &AskedFor::All).unwrap();
        self.table.handle_view(&self.view)
    }

    /// The one question that is open, and nothing else.
    fn asked(&mut self) -> (RequestId, PositionRequest) {
        let (committed, leaders, leaderless) = self.table.questions(clock::now());
        assert!(!leaderless);
        let of_leaders = leaders.into_values().flatten().map(|asked| (asked.id, asked.request));
        let of_group = committed.0.into_values().map(|id| (id, PositionRequest::Committed));
        let mut all: Vec<_> = of_leaders.chain(of_group).collect();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    fn listed(&mut self, offset: i64) -> &mut Self {
        let (id, request) = self.asked();
        assert!(matches!(request, PositionRequest::ListOffset { .. }), "{request:?}");
        self.table.handle_listed(clock::now(), &self.tp.clone(), id, Ok(offset));
        self
    }

    fn committed(&mut self, offset: Option<i64>) -> &mut Self {
        let (id, request) = self.asked();
        assert_eq!(request, PositionRequest::Committed);
        let committed = offset.map(|offset| (offset, None));
        self.table.handle_committed(clock::now(), &self.tp.clone(), id, Ok(committed));
        self
    }

    fn ended(&mut self, epoch: i32, end_offset: i64) -> &mut Self {
        let (id, request) = self.asked();
        assert!(matches!(request, PositionRequest::EpochEnd { .. }), "{request:?}");
        let end = EpochEndOffset { epoch, end_offset };
        self.table.handle_epoch_end(clock::now(), &self.tp.clone(), id, Ok(end));
        self
    }

    fn out_of_range(&mut self, asked: i64, log_start: i64) -> &mut Self {
        self.entry().position.handle_out_of_range(clock::now(), asked, Replica::Leader, log_start);
        self
    }

    /// One event, which is this move; what is handed out next begins at `reader`.
    #[track_caller]
    fn moves_to(
        &mut self,
        cause: MoveCause,
        from: Option<i64>,
        to: i64,
        lost: Option<Range<i64>>,
        reader: i64,
    ) {
        self.table.collect_events();
        let events = self.table.take_events();
        let [Event::Moved { partition, cause: why, from: was, to: is, lost: gone }] = &events[..] else {
            panic!("one move: {events:?}")
        };
        assert_eq!((partition, *why, *was, *is, gone), (&self.tp, cause, from, to, &lost));
        let entry = self.entry();
        assert_eq!(entry.lease.position(), Some(reader));
        assert_eq!(entry.position.offset(), Some(reader), "what is fetched is what is handed out next");
    }

    #[track_caller]
    fn moves(&mut self, cause: MoveCause, from: Option<i64>, to: i64, lost: Option<Range<i64>>) {
        self.moves_to(cause, from, to, lost, to);
    }

    /// One event: nothing but a seek helps.
    #[track_caller]
    fn is_stuck(&mut self, kind: ErrorKind, text: &str) {
        self.table.collect_events();
        let events = self.table.take_events();
        let [Event::Stuck { partition, error }] = &events[..] else { panic!("stuck: {events:?}") };
        assert_eq!((partition, error.kind()), (&self.tp, kind));
        assert_eq!(error.to_string(), format!("topic orders, partition 0: {text}"));
        assert!(self.entry().is_stuck());
    }
}

#[test]
fn a_start_says_where_and_why() {
    let mut script = Script::new(Start::Earliest, OffsetReset::None);
    script.listed(3).moves(MoveCause::Started, None, 3, None);
    let start = Start::Committed { otherwise: Reset::Earliest };
    let mut script = Script::new(start, OffsetReset::None);
    script.committed(Some(7)).moves(MoveCause::Committed, None, 7, None);
    let mut script = Script::new(start, OffsetReset::None);
    script.committed(None).listed(3).moves(MoveCause::Reset(Reset::Earliest), None, 3, None);
}

#[test]
fn a_seek_goes_from_where_the_reader_is() {
    for (to, goal) in [(Start::Offset(12), 12), (Start::Offset(90), 90), (Start::Offset(30), 30)] {
        let mut script = Script::reading(30, 40, OffsetReset::Latest);
        let old = script.entry().lease.stamp().clone();
        let tp = script.tp.clone();
        assert!(script.table.seek(&tp, to).is_some_and(|ended| ended.is_same(&old)));
        script.leader(1, 5);
        script.moves(MoveCause::Seek, Some(30), goal, None);
    }
    let mut script = Script::reading(30, 40, OffsetReset::Latest);
    let tp = script.tp.clone();
    script.table.seek(&tp, Start::Latest);
    script.leader(1, 5);
    script.listed(95).moves(MoveCause::Seek, Some(30), 95, None);
}

#[test]
fn below_the_log_what_was_not_handed_out_is_lost() {
    let mut script = Script::reading(40, 40, OffsetReset::Latest);
    script.out_of_range(40, 70).moves(MoveCause::OutOfRangeBelow, Some(40), 70, Some(40..70));
    let mut script = Script::reading(30, 40, OffsetReset::Latest);
    script.out_of_range(40, 70).moves(MoveCause::OutOfRangeBelow, Some(30), 70, Some(30..70));
}

#[test]
fn beyond_the_log_what_is_still_there_is_handed_out_first() {
    for (read, from, reader) in [(40, 40, 33), (36, 36, 33), (20, 40, 20)] {
        let mut script = Script::reading(read, 40, OffsetReset::Latest);
        script.out_of_range(40, -1).listed(0).listed(33).ended(-1, -1);
        script.moves_to(MoveCause::OutOfRangeAbove, Some(from), 33, Some(33..40), reader);
    }
}

#[test]
fn a_truncation_loses_only_what_is_no_longer_there() {
    for (read, from, reader) in [(40, 40, 33), (36, 36, 33), (20, 40, 20)] {
        let mut script = Script::reading(read, 40, OffsetReset::Latest);
        let old = script.entry().lease.clone();
        script.leader(1, 6);
        script.ended(5, 33).moves_to(MoveCause::Truncated, Some(from), 33, Some(33..40), reader);
        let ended = script.table.take_ended();
        assert!(ended.len() == 1 && ended[0].is_same(old.stamp()), "a new epoch: {ended:?}");
    }
}

#[test]
fn a_topic_created_again_is_another_log() {
    let mut script = Script::reading(30, 40, OffsetReset::Latest);
    assert_eq!(script.leader(2, 0).len(), 1, "the epoch ends");
    script.moves(MoveCause::TopicRecreated, Some(30), 10, None);

    let mut script = Script::new(Start::Committed { otherwise: Reset::Earliest }, OffsetReset::Earliest);
    script.committed(Some(30)).moves(MoveCause::Committed, None, 30, None);
    script.leader(2, 0);
    script.committed(None).listed(0).moves(MoveCause::TopicRecreated, Some(30), 0, None);
}

#[test]
fn without_a_policy_nothing_moves_until_somebody_seeks() {
    let mut script = Script::new(Start::Committed { otherwise: Reset::None }, OffsetReset::None);
    script.committed(None).is_stuck(
        ErrorKind::OffsetOutOfRange,
        "the offset is outside the log: no offset is committed, and auto.offset.reset is none",
    );
    let mut script = Script::reading(40, 40, OffsetReset::None);
    script.out_of_range(40, 70).is_stuck(
        ErrorKind::OffsetOutOfRange,
        "the offset is outside the log: offset 40 is not in the log, which has 70 to its end, and auto.offset.reset \
         is none",
    );
    let mut script = Script::reading(30, 40, OffsetReset::None);
    script.leader(1, 6);
    script.ended(5, 33).is_stuck(
        ErrorKind::LogTruncated,
        "the log was truncated: offset 40 was reached in another log, the two part at offset 33, and \
         auto.offset.reset is none",
    );
    assert_eq!(script.entry().lease.position(), Some(30), "what was handed out stays so");
    let tp = script.tp.clone();
    script.table.seek(&tp, Start::Offset(33));
    script.leader(1, 6);
    script.moves(MoveCause::Seek, Some(30), 33, None);
}

/// A slow answer about the epoch before: of a seek that another one overtook, of an ownership that ended.
#[test]
fn the_answer_to_a_question_of_an_epoch_before_is_dropped() {
    let mut script = Script::reading(15, 20, OffsetReset::Earliest);
    script.table.seek(&script.tp, Start::Earliest).unwrap();
    script.leader(1, 5);
    let (first, _) = script.asked();
    script.table.seek(&script.tp, Start::Latest).unwrap();
    script.leader(1, 5);
    let (second, _) = script.asked();
    script.table.handle_listed(clock::now(), &script.tp, first, Ok(0));
    assert_eq!(script.entry().position.offset(), Some(15), "where it was before the seek");
    script.table.handle_listed(clock::now(), &script.tp, second, Ok(20));
    assert_eq!(script.entry().position.offset(), Some(20));

    let committed = Start::Committed { otherwise: Reset::Earliest };
    script.table.end(&script.tp, FenceReason::Revoked).unwrap();
    script.table.assign(script.tp.clone(), TopicId([1; 16]), Generation(2), committed);
    let (first, _) = script.asked();
    script.table.end(&script.tp, FenceReason::Revoked).unwrap();
    script.table.assign(script.tp.clone(), TopicId([1; 16]), Generation(4), committed);
    let (second, _) = script.asked();
    script.table.handle_committed(clock::now(), &script.tp, first, Ok(Some((6, None))));
    assert_eq!(script.entry().position.offset(), None, "that was committed before another member had it");
    script.table.handle_committed(clock::now(), &script.tp, second, Ok(Some((21, None))));
    assert_eq!(script.entry().position.offset(), Some(21));
}

/// The partitions of a broker are dealt out among its feeds: each is in one of them, and goes back when that ends.
#[test]
fn every_partition_is_in_one_feed() {
    let mut script = Script::new(Start::Offset(10), OffsetReset::Earliest);
    let broker = BrokerId(1);
    for number in 1..5 {
        let tp = TopicPartition::new("orders", number);
        script.table.assign(tp.clone(), TopicId([1; 16]), Generation(1), Start::Offset(10));
        script.table.entries.get_mut(&tp).unwrap().leader = Some(broker);
    }
    let now = clock::now();
    let dealt = |script: &Script, index| -> Vec<i32> {
        script.table.of_feed(Feed { broker, index }, now).map(|(tp, ..)| tp.partition).collect()
    };
    let first = Feed { broker, index: 0 };
    assert_eq!(script.table.new_feeds(now), [first]);
    assert_eq!(script.table.new_feeds(now), []);
    assert_eq!(dealt(&script, 0), [0, 1, 2, 3, 4]);

    let second = script.table.another_feed(broker, now, false).unwrap();
    assert_eq!((second.index, script.table.feed_count()), (1, 2));
    assert_eq!((dealt(&script, 0), dealt(&script, 1)), (vec![0, 2, 4], vec![1, 3]));
    assert_eq!(script.table.another_feed(broker, now, false).unwrap().index, 2);
    assert_eq!(script.table.another_feed(broker, now, false).unwrap().index, 3);
    assert_eq!(script.table.another_feed(broker, now, false), None, "there are enough");

    assert!(!script.table.is_surplus(second), "others are behind it");
    for index in [3, 2] {
        let last = Feed { broker, index };
        assert!(script.table.is_surplus(last));
        script.table.end_feed(last);
    }
    script.table.entries.get_mut(&TopicPartition::new("orders", 1)).unwrap().asked = Some(second);
    script.table.end_feed(second);
    assert_eq!(dealt(&script, 0), [0, 1, 2, 3, 4]);
    assert!(script.table.entries.values().all(|entry| entry.asked.is_none()));
    assert!(!script.table.is_surplus(first), "the first one stays");
}

/// A second connection for a broker of which one partition alone has something to read would stand idle.
#[test]
fn a_feed_needs_a_partition_that_has_something_to_read() {
    let mut script = Script::reading(15, 20, OffsetReset::Earliest);
    let now = clock::now();
    assert_eq!(script.table.new_feeds(now).len(), 1);
    assert_eq!(script.table.another_feed(BrokerId(1), now, false), None);
}
