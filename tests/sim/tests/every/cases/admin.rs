//! What administrators ask.

use std::collections::BTreeMap;
use std::sync::Arc;

use client::{
    Client, CommittedOffset, ErrorCode, IsolationLevel, NewTopic, OffsetSpec, TopicName, TopicPartition,
};
use source::config::Assignor;

use super::{NAME, client_config, client_goes_on, client_reads_on, connected, whole};
use crate::polls::{Case, dropped_at};
use crate::stage::{Stage, TOPIC, alone_over_tcp};

/// A call is dropped, then made whole, and the client goes on.
macro_rules! asked {
    ($function:literal, |$client:ident| $call:expr) => {
        Case {
            functions: &[$function],
            play: |moment| {
                Box::pin(async move {
                    let stage = Stage::new(Assignor::Range);
                    let $client = connected(&stage).await?;
                    let done = dropped_at(moment, $call).await.is_some();
                    whole($function, $call).await?;
                    client_goes_on(&stage, &$client).await?;
                    Ok(done)
                })
            },
        }
    };
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case { functions: &["Client::connect_over"], play: |moment| Box::pin(connect_over(moment)) },
        Case { functions: &["Client::connect"], play: |moment| Box::pin(connect(moment)) },
        asked!("Client::list_topics", |client| client.list_topics()),
        asked!("Client::describe_topics", |client| client.describe_topics([TOPIC])),
        asked!("Client::describe_cluster", |client| client.describe_cluster()),
        asked!("Client::list_groups", |client| client.list_groups()),
        asked!("Client::describe_group", |client| async {
            match client.describe_group("other").await {
                // There is none.
                Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => Ok(()),
                other => other.map(drop),
            }
        }),
        asked!("Client::group_offsets", |client| client.group_offsets("other")),
        Case {
            functions: &["Client::commit_group_offsets"],
            play: |moment| Box::pin(commit_group_offsets(moment)),
        },
        asked!("Client::partitions_of", |client| client.partitions_of([TopicName::from(TOPIC)])),
        asked!("Client::list_offsets", |client| {
            client.list_offsets(offsets().into_keys(), OffsetSpec::Latest, IsolationLevel::ReadUncommitted)
        }),
        // Once or twice, of the same name: what became of each topic is in the answer.
        asked!("Client::create_topics", |client| client.create_topics([NewTopic::new("new").partitions(1)])),
        asked!("Client::delete_topics", |client| client.delete_topics(["old"])),
        Case { functions: &["Client::create_topic"], play: |moment| Box::pin(create_topic(moment)) },
    ]
}

fn offsets() -> BTreeMap<TopicPartition, CommittedOffset> {
    BTreeMap::from([(TopicPartition::new(TOPIC, 0), CommittedOffset::new(3))])
}

async fn connect_over(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::Range);
    let connect = || Client::connect_over(client_config(&stage), Arc::new(stage.cluster.clone()));
    let done = dropped_at(moment, connect()).await.is_some();
    client_goes_on(&stage, &whole("connecting", connect()).await?).await?;
    Ok(done)
}

/// Over real sockets, and so in real time; on a thread of its own, where no other runtime is.
async fn connect(moment: usize) -> Result<bool, String> {
    let over_tcp = || {
        alone_over_tcp(async {
            let cluster = testkit::Cluster::builder()
                .topic(TOPIC, 1)
                .start()
                .await
                .map_err(|error| error.to_string())?;
            let config = client::config::ClientConfig::bootstrap(&cluster.bootstrap_servers());
            let config = config
                .and_then(|config| config.client_id(NAME).build())
                .map_err(|error| error.to_string())?;
            let done = dropped_at(moment, Client::connect(config.clone())).await.is_some();
            let client = whole("connecting", Client::connect(config)).await?;
            whole("listing topics", client.list_topics()).await?;
            Ok(done)
        })
    };
    std::thread::scope(|scope| scope.spawn(over_tcp).join().unwrap_or_else(|_| Err("a panic".to_owned())))
}

async fn commit_group_offsets(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::Range);
    let client = connected(&stage).await?;
    let offsets = offsets();
    let done = dropped_at(moment, client.commit_group_offsets("other", &offsets)).await.is_some();
    whole("setting offsets", client.commit_group_offsets("other", &offsets)).await?;
    let stored = whole("reading offsets", client.group_offsets("other")).await?;
    if stored != offsets {
        return Err(format!("{stored:?} is stored"));
    }
    // A commit by nobody is not for the judge.
    client_reads_on(&stage, &client).await?;
    Ok(done)
}

async fn create_topic(moment: usize) -> Result<bool, String> {
    let stage = Stage::new(Assignor::Range);
    let client = connected(&stage).await?;
    let new = || NewTopic::new("new").partitions(1);
    let done = dropped_at(moment, client.create_topic(new())).await.is_some();
    // It may exist by now.
    let again = client.create_topic(new()).await;
    if let Err(error) = again
        && error.code() != Some(ErrorCode::TOPIC_ALREADY_EXISTS)
    {
        return Err(error.to_string());
    }
    client_goes_on(&stage, &client).await?;
    Ok(done)
}
