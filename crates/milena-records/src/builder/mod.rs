//! Building batches: what a producer sends, what a test wants to see read back, what a broker changes in place.

mod batch;
mod compressor;
mod legacy;
pub mod patch;
mod record;

pub use batch::{BatchBuilder, ProducerState};
pub use compressor::Compressor;
pub use legacy::LegacyBuilder;
pub use record::NewRecord;
