//! `milena groups`: which consumer groups there are, and how far each has come.

use std::collections::{BTreeMap, BTreeSet};

use client::{
    Client, CommittedOffset, ErrorCode, GroupDescription, GroupListing, IsolationLevel, MemberDescription,
    OffsetSpec, TopicName, TopicPartition,
};
use serde_json::{Value, json};

use crate::args::{GroupsArgs, GroupsCommand, TableFormat};
use crate::failure::Failure;
use crate::log;
use crate::output::{Sink, Table, or_dash};

/// Looks at groups.
///
/// # Errors
/// The cluster cannot be reached, or refuses; there is no such group.
pub(crate) async fn run(args: GroupsArgs) -> Result<(), Failure> {
    let client = Client::connect(args.connection.client()?).await?;
    let mut sink = Sink::stdout().map_err(Failure::writing)?;
    match args.command {
        GroupsCommand::List { format } => list(&client, &mut sink, format).await?,
        GroupsCommand::Describe { group, format } => {
            let picture = Picture::of(&client, &group).await?;
            match format {
                TableFormat::Json => sink.json(&picture.json()),
                TableFormat::Table => picture.write(sink.buffer()),
            }
        }
    }
    sink.flush().map_err(Failure::writing)
}

async fn list(client: &Client, sink: &mut Sink, format: TableFormat) -> Result<(), Failure> {
    let groups = client.list_groups().await?;
    match format {
        TableFormat::Json => {
            let group = |group: &GroupListing| {
                json!({
                    "group": group.group,
                    "state": group.state,
                    "type": group.group_type,
                    "protocol_type": group.protocol_type,
                    "coordinator": group.coordinator.0,
                })
            };
            sink.json(&Value::from_iter(groups.iter().map(group)));
        }
        TableFormat::Table => {
            let mut table = Table::new(&["GROUP", "STATE", "TYPE", "PROTOCOL", "#COORDINATOR"]);
            for group in groups {
                let protocol = Some(group.protocol_type).filter(|protocol| !protocol.is_empty());
                table.row([
                    group.group,
                    or_dash(group.state),
                    or_dash(group.group_type),
                    or_dash(protocol),
                    group.coordinator.to_string(),
                ]);
            }
            table.write(sink.buffer());
        }
    }
    Ok(())
}

/// All that there is to see of a group.
#[derive(Debug)]
struct Picture {
    group: Group,
    partitions: Vec<PartitionPicture>,
}

/// A group of whatever kind.
#[derive(Debug)]
struct Group {
    name: String,
    state: String,
    protocol_type: String,
    assignor: String,
    /// `None` for groups whose members cannot be asked for.
    members: Option<Vec<Member>>,
}

impl Group {
    fn members(&self) -> &[Member] {
        self.members.as_deref().unwrap_or_default()
    }
}

#[derive(Debug)]
struct Member {
    id: String,
    instance: Option<String>,
    client_id: String,
    host: String,
    subscription: Option<Vec<TopicName>>,
    assignment: Option<Vec<TopicPartition>>,
}

/// How far the group has come in one partition.
#[derive(Debug)]
struct PartitionPicture {
    partition: TopicPartition,
    committed: Option<i64>,
    end: Option<i64>,
    /// Which member reads it, by its place among the members.
    member: Option<usize>,
}

impl PartitionPicture {
    /// Below 0 where the log ends before what is committed.
    fn lag(&self) -> Option<i64> {
        Some(self.end?.saturating_sub(self.committed?))
    }
}

impl Picture {
    async fn of(client: &Client, name: &str) -> Result<Self, Failure> {
        let group = describe(client, name).await?;
        let committed = client.group_offsets(name).await?;
        let partitions = committed.keys().chain(assigned(&group).map(|(partition, _)| partition));
        let ends = ends(client, partitions).await?;
        Ok(Self::new(group, &committed, &ends))
    }

    fn new(
        group: Group,
        committed: &BTreeMap<TopicPartition, CommittedOffset>,
        ends: &BTreeMap<TopicPartition, i64>,
    ) -> Self {
        let members: BTreeMap<_, _> = assigned(&group).collect();
        let all: BTreeSet<_> = committed.keys().chain(members.keys().copied()).collect();
        let partition = |tp: &TopicPartition| PartitionPicture {
            partition: tp.clone(),
            committed: committed.get(tp).map(|committed| committed.offset),
            end: ends.get(tp).copied(),
            member: members.get(tp).copied(),
        };
        let partitions = all.into_iter().map(partition).collect();
        Self { partitions, group }
    }

    fn json(&self) -> Value {
        let member = |member: &Member| {
            let partition = |tp: &TopicPartition| json!({ "topic": &*tp.topic, "partition": tp.partition });
            let topics =
                |topics: &Vec<TopicName>| Value::from_iter(topics.iter().map(|topic| topic.to_string()));
            json!({
                "member_id": member.id,
                "group_instance_id": member.instance,
                "client_id": member.client_id,
                "host": member.host,
                "subscription": member.subscription.as_ref().map(topics),
                "assignment": member.assignment.as_ref().map(|tps| Value::from_iter(tps.iter().map(partition))),
            })
        };
        let partition = |partition: &PartitionPicture| {
            json!({
                "topic": &*partition.partition.topic,
                "partition": partition.partition.partition,
                "committed": partition.committed,
                "end_offset": partition.end,
                "lag": partition.lag(),
                "member_id": partition.member.map(|member| &self.group.members()[member].id),
            })
        };
        json!({
            "group": self.group.name,
            "state": self.group.state,
            "protocol_type": self.group.protocol_type,
            "assignor": Some(&self.group.assignor).filter(|assignor| !assignor.is_empty()),
            "members": self.group.members.as_ref().map(|members| Value::from_iter(members.iter().map(member))),
            "partitions": Value::from_iter(self.partitions.iter().map(partition)),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let group = &self.group;
        let lag: Option<i64> = self.partitions.iter().map(PartitionPicture::lag).sum();
        let assignor = Some(&group.assignor).filter(|assignor| !assignor.is_empty());
        let mut head = Table::new(&["GROUP", "STATE", "ASSIGNOR", "#MEMBERS", "#LAG"]);
        head.row([
            group.name.clone(),
            group.state.clone(),
            or_dash(assignor),
            or_dash(group.members.as_ref().map(Vec::len)),
            or_dash(lag),
        ]);
        head.write(out);

        let mut members = Table::new(&["MEMBER", "CLIENT", "HOST", "INSTANCE", "ASSIGNMENT"]);
        for member in group.members() {
            members.row([
                member.id.clone(),
                member.client_id.clone(),
                member.host.clone(),
                or_dash(member.instance.as_ref()),
                or_dash(member.assignment.as_deref().map(short)),
            ]);
        }
        let titles = ["TOPIC", "#PARTITION", "#COMMITTED", "#END", "#LAG", "MEMBER"];
        let mut partitions = Table::new(&titles);
        for partition in &self.partitions {
            partitions.row([
                partition.partition.topic.to_string(),
                partition.partition.partition.to_string(),
                or_dash(partition.committed),
                or_dash(partition.end),
                or_dash(partition.lag()),
                or_dash(partition.member.map(|member| &group.members()[member].id)),
            ]);
        }
        for table in [members, partitions].iter().filter(|table| !table.is_empty()) {
            out.push(b'\n');
            table.write(out);
        }
    }
}

/// Describes a group of whatever kind: of those that are not classic, only the state shows.
async fn describe(client: &Client, name: &str) -> Result<Group, Failure> {
    let error = match client.describe_group(name).await {
        Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => error,
        described => return Ok(described?.into()),
    };
    let listed = client.list_groups().await?.into_iter().find(|group| group.group == name);
    let Some(listed) = listed else { return Err(error.into()) };
    if let Some(kind) = &listed.group_type {
        log::say(&format!("group {name} is of type `{kind}`: its members are not shown"));
    }
    Ok(Group {
        name: name.to_owned(),
        state: listed.state.unwrap_or_else(|| "-".to_owned()),
        protocol_type: listed.protocol_type,
        assignor: String::new(),
        members: None,
    })
}

impl From<GroupDescription> for Group {
    fn from(described: GroupDescription) -> Self {
        let member = |described: MemberDescription| Member {
            id: described.member_id,
            instance: described.group_instance_id,
            client_id: described.client_id,
            host: described.client_host,
            subscription: described.subscription,
            assignment: described.assignment,
        };
        Self {
            name: described.group,
            state: described.state,
            protocol_type: described.protocol_type,
            assignor: described.protocol,
            members: Some(described.members.into_iter().map(member).collect()),
        }
    }
}

/// Where partitions end. One whose topic is gone, or that nobody leads, has no end.
async fn ends<'a>(
    client: &Client,
    partitions: impl Iterator<Item = &'a TopicPartition>,
) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let partitions: BTreeSet<&TopicPartition> = partitions.collect();
    let topics: BTreeSet<&TopicName> = partitions.iter().map(|tp| &tp.topic).collect();
    let mut led = BTreeSet::new();
    if !topics.is_empty() {
        for (name, topic) in client.describe_topics(topics.into_iter().cloned()).await? {
            let known = topic.into_iter().flat_map(|topic| topic.partitions);
            let known = known.filter(|partition| partition.leader.is_some());
            led.extend(known.map(|partition| TopicPartition::new(name.clone(), partition.partition)));
        }
    }
    let asked: Vec<_> = partitions.into_iter().filter(|tp| led.contains(tp)).cloned().collect();
    Ok(client.list_offsets(asked, OffsetSpec::Latest, IsolationLevel::ReadUncommitted).await?)
}

/// The partitions that members are assigned, each with the member's place.
fn assigned(group: &Group) -> impl Iterator<Item = (&TopicPartition, usize)> {
    let members = group.members().iter().enumerate();
    members.flat_map(|(place, member)| member.assignment.iter().flatten().map(move |tp| (tp, place)))
}

/// `orders-0,1,2 returns-0`.
fn short(partitions: &[TopicPartition]) -> String {
    let mut topics: BTreeMap<&TopicName, BTreeSet<i32>> = BTreeMap::new();
    for tp in partitions {
        topics.entry(&tp.topic).or_default().insert(tp.partition);
    }
    let numbers = |numbers: BTreeSet<i32>| numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    let topics = topics.into_iter().map(|(topic, partitions)| format!("{topic}-{}", numbers(partitions)));
    topics.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        let tp = |partition| TopicPartition::new("orders", partition);
        let member = |id: &str, partitions: &[i32]| Member {
            id: id.to_owned(),
            instance: None,
            client_id: "milena".to_owned(),
            host: "/127.0.0.1".to_owned(),
            subscription: Some(vec!["orders".into()]),
            assignment: Some(partitions.iter().map(|partition| tp(*partition)).collect()),
        };
        let group = Group {
            name: "billing".to_owned(),
            state: "Stable".to_owned(),
            protocol_type: "consumer".to_owned(),
            assignor: "range".to_owned(),
            members: Some(vec![member("a", &[1, 0]), member("b", &[2])]),
        };
        let committed = BTreeMap::from([
            (tp(0), CommittedOffset::new(90)),
            (tp(1), CommittedOffset::new(10)),
            (TopicPartition::new("gone", 0), CommittedOffset::new(5)),
        ]);
        let ends = BTreeMap::from([(tp(0), 100), (tp(1), 7), (tp(2), 3)]);
        Picture::new(group, &committed, &ends)
    }

    #[test]
    fn a_group_as_tables() {
        let mut out = Vec::new();
        picture().write(&mut out);
        let wanted = "\
GROUP    STATE   ASSIGNOR  MEMBERS  LAG
billing  Stable  range           2    -

MEMBER  CLIENT  HOST        INSTANCE  ASSIGNMENT
a       milena  /127.0.0.1  -         orders-0,1
b       milena  /127.0.0.1  -         orders-2

TOPIC   PARTITION  COMMITTED  END  LAG  MEMBER
gone            0          5    -    -  -
orders          0         90  100   10  a
orders          1         10    7   -3  a
orders          2          -    3    -  b
";
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }

    #[test]
    fn a_group_as_json() {
        let json = picture().json();
        assert_eq!(json["members"][1]["assignment"], json!([{ "topic": "orders", "partition": 2 }]));
        let wanted = json!({
            "topic": "orders",
            "partition": 0,
            "committed": 90,
            "end_offset": 100,
            "lag": 10,
            "member_id": "a",
        });
        assert_eq!(json["partitions"][1], wanted);
        assert_eq!(json["partitions"][0]["lag"], Value::Null);
    }
}
