//! Who gets which partition in a classic group.

use super::error::ConfigError;

/// How the leader of a classic group assigns partitions: `partition.assignment.strategy`.
///
/// All of them decide exactly as the Java classes of the same names do, so that members of both kinds can lead in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Assignor {
    /// `range`: topic by topic, a run of neighbouring partitions to each member. Every rebalance revokes everything.
    Range,
    /// `roundrobin`: the partitions of all topics, dealt out in turn. Every rebalance revokes everything.
    RoundRobin,
    /// `sticky`: evenly, and members get back what they had as far as that goes; but every rebalance revokes everything
    /// first.
    Sticky,
    /// `cooperative-sticky`: the same, and only partitions that move are revoked (KIP-429).
    CooperativeSticky,
}

impl Assignor {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Range, Self::RoundRobin, Self::Sticky, Self::CooperativeSticky];

    /// The name that members agree on in JoinGroup.
    pub fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
            Self::Sticky => "sticky",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// The class by which Java's configuration names it.
    pub fn java_class(self) -> &'static str {
        match self {
            Self::Range => "org.apache.kafka.clients.consumer.RangeAssignor",
            Self::RoundRobin => "org.apache.kafka.clients.consumer.RoundRobinAssignor",
            Self::Sticky => "org.apache.kafka.clients.consumer.StickyAssignor",
            Self::CooperativeSticky => "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        }
    }

    /// Takes the names of the protocol, and Java's class names with or without their package.
    fn parse(raw: &str) -> Result<Self, ConfigError> {
        let known = |assignor: &Self| {
            let class = assignor.java_class();
            let simple = class.rsplit('.').next();
            raw == assignor.name() || raw == class || Some(raw) == simple
        };
        Self::ALL.into_iter().find(known).ok_or_else(|| {
            ConfigError::invalid(
                ASSIGNORS,
                raw,
                "`range`, `roundrobin`, `sticky`, `cooperative-sticky` or the Java class name of one of them",
            )
        })
    }

    /// Takes several, with commas between them.
    pub(super) fn parse_list(raw: &str) -> Result<Vec<Self>, ConfigError> {
        let names = raw.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(Self::parse).collect()
    }
}

pub(super) const ASSIGNORS: &str = "partition.assignment.strategy";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignors_are_known_by_both_names() {
        for assignor in Assignor::ALL {
            let class = assignor.java_class();
            let simple = class.strip_prefix("org.apache.kafka.clients.consumer.").unwrap();
            for name in [assignor.name(), class, simple] {
                assert_eq!(Assignor::parse_list(name).unwrap(), [assignor], "{name}");
            }
        }
        let all = "cooperative-sticky , org.apache.kafka.clients.consumer.StickyAssignor,roundrobin, range,";
        let mut reversed = Assignor::ALL;
        reversed.reverse();
        assert_eq!(Assignor::parse_list(all).unwrap(), reversed);
        for name in ["com.example.Mine", "com.example.RangeAssignor", "Range", "cooperative_sticky"] {
            assert!(matches!(Assignor::parse_list(name), Err(ConfigError::Invalid { .. })), "{name}");
        }
    }
}
