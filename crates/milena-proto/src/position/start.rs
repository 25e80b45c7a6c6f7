//! Where to start, and where to go when there is no way on.

use std::fmt;
use std::time::Duration;

use crate::wire::{EARLIEST_TIMESTAMP, LATEST_TIMESTAMP};

/// Where to start reading a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// At the first offset in the log.
    Earliest,
    /// At the end: only what is written from then on.
    Latest,
    /// At the group's committed offset.
    Committed {
        /// Where to start if the group has committed none.
        otherwise: Reset,
    },
    /// At that offset.
    Offset(i64),
    /// At the first record that is not older, in milliseconds since 1970; at the end if all are.
    Timestamp(i64),
    /// At the first record that is not older than so long before the moment of looking; at the end if all are.
    ByDuration(Duration),
    /// So many offsets before the end, or at the first offset in the log.
    Tail(u64),
}

/// Where to go on if there is no position, or none that still exists (`auto.offset.reset`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reset {
    /// At the first offset in the log.
    Earliest,
    /// At the end.
    Latest,
    /// Nowhere: it is an error, and the partition waits for a seek.
    None,
    /// At the first record that is not older, in milliseconds since 1970; at the end if all are.
    Timestamp(i64),
    /// At the first record that is not older than so long before the moment of looking (KIP-1106); at the end if all are.
    ByDuration(Duration),
}

/// An offset to look up by ListOffsets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lookup {
    /// The first offset in the log.
    Earliest,
    /// The end of the log, as far as the isolation level sees.
    Latest,
    /// The first record that is not older, in milliseconds since 1970.
    Timestamp(i64),
    /// The first record that is not older than so long before now. Only the shell has a wall clock.
    Ago(Duration),
}

impl Lookup {
    /// What ListOffsets calls it, where the wall clock shows `wall_ms` milliseconds since 1970.
    pub fn to_wire(self, wall_ms: i64) -> i64 {
        match self {
            Self::Earliest => EARLIEST_TIMESTAMP,
            Self::Latest => LATEST_TIMESTAMP,
            // Below 0 are names for special offsets.
            Self::Timestamp(ms) => ms.max(0),
            Self::Ago(ago) => {
                wall_ms.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)).max(0)
            }
        }
    }

    /// Whether nothing found means the end.
    pub(super) fn is_by_time(self) -> bool {
        matches!(self, Self::Timestamp(_) | Self::Ago(_))
    }
}

impl Reset {
    /// What to look up; `None` for [`Reset::None`].
    pub(super) fn lookup(self) -> Option<Lookup> {
        match self {
            Self::Earliest => Some(Lookup::Earliest),
            Self::Latest => Some(Lookup::Latest),
            Self::None => None,
            Self::Timestamp(ms) => Some(Lookup::Timestamp(ms)),
            Self::ByDuration(ago) => Some(Lookup::Ago(ago)),
        }
    }
}

impl fmt::Display for Reset {
    /// As `auto.offset.reset` spells it, where it can.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earliest => f.write_str("earliest"),
            Self::Latest => f.write_str("latest"),
            Self::None => f.write_str("none"),
            Self::Timestamp(ms) => write!(f, "timestamp {ms}"),
            Self::ByDuration(ago) => write!(f, "by duration of {ago:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_ups_are_written_as_list_offsets_wants_them() {
        assert_eq!(Lookup::Earliest.to_wire(5000), -2);
        assert_eq!(Lookup::Latest.to_wire(5000), -1);
        assert_eq!(Lookup::Timestamp(17).to_wire(5000), 17);
        assert_eq!(Lookup::Ago(Duration::from_secs(2)).to_wire(5000), 3000);
        // No time is taken for the name of a special offset.
        assert_eq!(Lookup::Timestamp(-3).to_wire(5000), 0);
        assert_eq!(Lookup::Ago(Duration::from_secs(9)).to_wire(5000), 0);
        assert_eq!(Lookup::Ago(Duration::MAX).to_wire(i64::MIN), 0);
    }
}
