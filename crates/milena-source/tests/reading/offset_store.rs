//! Offsets that the program keeps itself.

use std::collections::BTreeSet;
use std::sync::Mutex;

use milena_source::{
    Event, Loaded, OffsetStore, OffsetToStore, PartitionToLoad, StoredOffset, Storing, TopicId,
};
use testkit::ApiKey;

use super::*;

/// A database, so to speak.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    stored: BTreeMap<TopicPartition, StoredOffset>,
    /// In the order they came.
    history: Vec<(TopicPartition, i64)>,
    loads: usize,
    /// So many calls fail from here on.
    broken: usize,
    /// Not mentioned in what is loaded, so many times.
    unmentioned: usize,
    /// Held while it stores.
    slow: Duration,
    under_way: usize,
}

impl Notes {
    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    fn knowing(partition: TopicPartition, offset: i64) -> Self {
        let notes = Self::default();
        notes.with(|state| state.stored.insert(partition, StoredOffset::new(offset)));
        notes
    }

    fn offset(&self, partition: &TopicPartition) -> Option<i64> {
        self.with(|state| state.stored.get(partition).map(|stored| stored.offset))
    }
}

impl State {
    fn fails(&mut self) -> bool {
        let fails = self.broken > 0;
        self.broken = self.broken.saturating_sub(1);
        fails
    }
}

impl OffsetStore for Notes {
    fn load<'a>(&'a self, partitions: &'a [PartitionToLoad]) -> Storing<'a, Loaded> {
        Box::pin(async move {
            self.with(|state| {
                state.loads += 1;
                if state.fails() {
                    return Err("the database is down".into());
                }
                if state.unmentioned > 0 {
                    state.unmentioned -= 1;
                    return Ok(Loaded::new());
                }
                let found = |asked: &PartitionToLoad| {
                    (asked.partition.clone(), state.stored.get(&asked.partition).copied())
                };
                Ok(partitions.iter().map(found).collect())
            })
        })
    }

    fn store<'a>(&'a self, offsets: &'a [OffsetToStore]) -> Storing<'a, ()> {
        Box::pin(async move {
            let slow = self.with(|state| {
                state.under_way += 1;
                assert_eq!(state.under_way, 1, "one call at a time");
                state.slow
            });
            tokio::time::sleep(slow).await;
            self.with(|state| {
                state.under_way -= 1;
                if state.fails() {
                    return Err("the database is down".into());
                }
                for OffsetToStore { partition, stored, .. } in offsets {
                    state.stored.insert(partition.clone(), *stored);
                    state.history.push((partition.clone(), stored.offset));
                }
                Ok(())
            })
        })
    }
}

fn fill(cluster: &Cluster, partitions: i32) {
    for partition in 0..partitions {
        for value in ["0", "1", "2", "3"] {
            cluster.append("t", partition, [value]).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn reading_begins_at_what_is_stored_and_stores_what_is_acknowledged() {
    let cluster = three().topic("t", 2).start_in_memory().unwrap();
    fill(&cluster, 2);
    let notes = Notes::knowing(tp("t", 0), 3);
    let reading =
        || on(&cluster).topics(["t"]).offset_store(notes.clone()).property("auto.offset.reset", "earliest");
    let source = reading().build().await.unwrap();
    let mut batches = source.batches();
    let first = read(&mut batches, 5).await;
    assert_eq!(first, BTreeMap::from([(tp("t", 0), vec![3]), (tp("t", 1), vec![0, 1, 2, 3])]));
    source.drain(Duration::from_secs(5)).await.unwrap();
    assert_eq!((notes.offset(&tp("t", 0)), notes.offset(&tp("t", 1))), (Some(4), Some(4)));
    let id = notes.with(|state| state.stored[&tp("t", 0)].topic_id);
    assert_ne!(id, TopicId::ZERO);

    // It is the store that is asked, and nobody else.
    assert_eq!(cluster.requests().of(ApiKey::OffsetFetch).count(), 0);
    assert_eq!(cluster.requests().of(ApiKey::OffsetCommit).count(), 0);
    cluster.append("t", 1, ["4"]).unwrap();
    let mut batches = reading().build().await.unwrap().batches();
    assert_eq!(read(&mut batches, 1).await, BTreeMap::from([(tp("t", 1), vec![4])]));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_never_one_without_an_offset() {
    let cluster = three().topic("t", 1).start_in_memory().unwrap();
    fill(&cluster, 1);
    let notes = Notes::knowing(tp("t", 0), 3);
    notes.with(|state| (state.broken, state.unmentioned) = (3, 3));
    let source =
        on(&cluster).topics(["t"]).offset_store(notes.clone()).property("auto.offset.reset", "earliest");
    let source = source.build().await.unwrap();
    let mut batches = source.batches();
    assert_eq!(read(&mut batches, 1).await, BTreeMap::from([(tp("t", 0), vec![3])]));
    assert_eq!(notes.with(|state| state.loads), 7);
}

#[tokio::test(start_paused = true)]
async fn an_offset_of_a_topic_that_was_deleted_since_counts_as_none() {
    let cluster = three().topic("t", 1).start_in_memory().unwrap();
    fill(&cluster, 1);
    let notes = Notes::default();
    let old = StoredOffset::new(3).topic_id(TopicId([9; 16]));
    notes.with(|state| state.stored.insert(tp("t", 0), old));
    let source = on(&cluster).topics(["t"]).offset_store(notes).property("auto.offset.reset", "earliest");
    let mut batches = source.build().await.unwrap().batches();
    assert_eq!(read(&mut batches, 4).await, BTreeMap::from([(tp("t", 0), vec![0, 1, 2, 3])]));
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_stored_is_stored_later_and_never_less() {
    let cluster = three().topic("t", 1).start_in_memory().unwrap();
    fill(&cluster, 1);
    let notes = Notes::default();
    let source =
        on(&cluster).topics(["t"]).offset_store(notes.clone()).property("auto.offset.reset", "earliest");
    let source = source.build().await.unwrap();
    let (mut events, mut batches) = (source.events(), source.batches());
    read(&mut batches, 2).await;
    notes.with(|state| state.broken = 4);
    source.commit().await.unwrap();
    let told = event(&mut events, |event| match event {
        Event::Trouble { error } => Some(error.to_string()),
        _ => None,
    });
    assert!(told.await.contains("the database is down"));
    read(&mut batches, 2).await;
    source.drain(Duration::from_secs(60)).await.unwrap();
    let history: Vec<_> = notes.with(|state| state.history.iter().map(|(_, offset)| *offset).collect());
    assert!(history.is_sorted(), "{history:?}");
    assert_eq!(history.last(), Some(&4));
}

#[tokio::test(start_paused = true)]
async fn in_a_group_a_partition_is_given_up_only_after_it_is_stored() {
    let cluster = three().topic("t", 2).start_in_memory().unwrap();
    fill(&cluster, 2);
    let notes = Notes::default();
    notes.with(|state| state.slow = Duration::from_secs(4));
    let join = || on(&cluster).group("g").topics(["t"]).offset_store(notes.clone());
    let join = || join().property("auto.offset.reset", "earliest");
    let one = join().build().await.unwrap();
    let mut batches = one.batches();
    read(&mut batches, 8).await;
    let two = join().build().await.unwrap();
    let reader = tokio::spawn(async move { while batches.next().await.is_some() {} });
    let mut others = two.batches();
    until("a share", || two.status().len() == 1).await;
    let theirs: BTreeSet<_> = two.status().into_iter().map(|status| status.partition).collect();
    for partition in &theirs {
        assert_eq!(notes.offset(partition), Some(4), "stored before it was given up");
        cluster.append("t", partition.partition, ["4"]).unwrap();
    }
    let more = read(&mut others, 1).await;
    assert_eq!(more.values().next(), Some(&vec![4]), "and nothing is repeated");
    let (one_drained, two_drained) =
        tokio::join!(one.drain(Duration::from_secs(30)), two.drain(Duration::from_secs(30)));
    one_drained.unwrap();
    two_drained.unwrap();
    reader.await.unwrap();
    assert_eq!(cluster.requests().of(ApiKey::OffsetCommit).count(), 0);
    notes.with(|state| {
        for partition in 0..2 {
            let history = state.history.iter().filter(|(tp, _)| tp.partition == partition);
            assert!(history.map(|(_, offset)| *offset).is_sorted());
        }
    });
}
