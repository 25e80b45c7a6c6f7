//! Kafka as a stream, with acknowledgements in any order and commits that are always true.

mod ack;
mod batch;
mod builder;
mod record;
mod source;
mod stream;
mod until;

pub use ack::Ack;
pub use batch::{Batch, Records};
pub use builder::SourceBuilder;
pub use record::Record;
pub use source::{Source, SourceCounters};
pub use stream::{BatchStream, RecordStream};
pub use until::Until;
