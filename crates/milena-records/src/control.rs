//! Control records: what brokers write into a log for readers, not for applications.

use crate::header::Fields;
use crate::{Fault, Record};

/// What the first record of a control batch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlMarker {
    /// The transaction of the batch's producer id ends here and does not count.
    Abort {
        /// Of the transaction coordinator that wrote the marker; fences its predecessors.
        coordinator_epoch: i32,
    },
    /// The transaction of the batch's producer id ends here and counts.
    Commit {
        /// Of the transaction coordinator that wrote the marker; fences its predecessors.
        coordinator_epoch: i32,
    },
    /// Another kind: KRaft's own log has some, and there will be more.
    Other {
        /// The type field of its key.
        control_type: i16,
    },
}

impl ControlMarker {
    /// Reads key and value as Java's `ControlRecordType` and `EndTransactionMarker` do: newer versions may only append.
    pub(crate) fn read(record: &Record<'_>) -> Result<Self, Fault> {
        let invalid = |what| Fault::InvalidControlRecord { what };
        let key = record.key().ok_or(invalid("no key"))?;
        let mut fields = Fields { bytes: key };
        let (Some(version), Some(control_type)) = (fields.i16(), fields.i16()) else {
            return Err(invalid("key is cut off"));
        };
        if version < 0 {
            return Err(invalid("negative version of the key"));
        }
        if control_type != ABORT && control_type != COMMIT {
            return Ok(Self::Other { control_type });
        }
        let mut fields = Fields { bytes: record.value().ok_or(invalid("no value"))? };
        let (Some(version), Some(coordinator_epoch)) = (fields.i16(), fields.i32()) else {
            return Err(invalid("value is cut off"));
        };
        if version < 0 {
            return Err(invalid("negative version of the value"));
        }
        Ok(match control_type {
            ABORT => Self::Abort { coordinator_epoch },
            _ => Self::Commit { coordinator_epoch },
        })
    }

    /// Key and value of the record that says this.
    pub(crate) fn write(self) -> ([u8; 4], [u8; 6]) {
        let (control_type, epoch) = match self {
            Self::Abort { coordinator_epoch } => (ABORT, coordinator_epoch),
            Self::Commit { coordinator_epoch } => (COMMIT, coordinator_epoch),
            Self::Other { control_type } => (control_type, 0),
        };
        let [t0, t1] = control_type.to_be_bytes();
        let [e0, e1, e2, e3] = epoch.to_be_bytes();
        ([0, 0, t0, t1], [0, 0, e0, e1, e2, e3])
    }
}

const ABORT: i16 = 0;
const COMMIT: i16 = 1;
