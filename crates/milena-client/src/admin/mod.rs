//! Administration: inherent methods of [`Client`](crate::Client), a file for each verb.

mod list_offsets;

pub use list_offsets::OffsetSpec;
