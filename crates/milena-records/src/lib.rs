//! Kafka record batches: bytes in, borrowed records out, and back.
//!
//! ```
//! use milena_records::{BatchBuilder, Batches, Compression, Compressor, Decompressor, NewRecord};
//!
//! // A producer's side: collect records, compress, seal.
//! let mut builder = BatchBuilder::new(Compression::None);
//! builder.push(&NewRecord::new(1_700_000_000_000).key(b"milena").value(b"dear Franz"))?;
//! let log = builder.build(&mut Compressor::new())?;
//!
//! // A consumer's side: find batches by their headers, decode one, walk its records.
//! let mut decompressor = Decompressor::new();
//! for batch in Batches::new(log) {
//!     let decoded = batch?.decode(&mut decompressor)?;
//!     for record in decoded.records() {
//!         let record = record?;
//!         assert_eq!((record.offset(), record.key()), (0, Some(&b"milena"[..])));
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! All three formats are read: magic 2, and the message sets of magic 0 and 1 that old segments still hold, also mixed in one
//! log. Java's reader is the reference. Where this one is stricter, a test says why.
//!
//! What holds:
//! - **Lazy.** [`walk_headers`] and [`Batches`] touch headers only. [`Batch::decode`] checks the CRC and decompresses once.
//!   [`DecodedBatch::records`] walks borrowed records: no allocation, no copy, no reference count.
//! - **Bounded.** No length, count or size that the bytes claim is believed: memory follows what is there, and
//!   decompression stops at [`Decompressor::with_limit`].
//! - **Never a skip.** Anything malformed is a [`DecodeError`] that names the batch. A batch that is cut off at the end of an
//!   answer is normal and no error: [`Batches::partial`].
//! - **Pure.** No I/O, no clock, no randomness, no `unsafe`.

mod batch;
mod batches;
mod builder;
mod codec;
mod compression;
mod control;
mod crc;
mod decoded;
mod decompressor;
mod error;
mod header;
mod headers;
mod legacy;
mod owned;
mod pool;
mod record;
mod records;
mod txn;
mod varint;

#[cfg(any(test, feature = "naive"))]
#[doc(hidden)]
pub mod naive;
#[cfg(any(test, feature = "naive"))]
#[doc(hidden)]
pub mod seams;

pub use batch::Batch;
pub use batches::{Batches, HeaderWalk, PartialBatch, walk_headers};
pub use builder::{BatchBuilder, Compressor, LegacyBuilder, NewRecord, ProducerState, patch};
pub use compression::Compression;
pub use control::ControlMarker;
pub use decoded::DecodedBatch;
pub use decompressor::Decompressor;
pub use error::{BuildError, DecodeError, Fault};
pub use header::{BatchHeader, TimestampType};
pub use headers::{Header, Headers};
pub use owned::{OwnedRecord, RecordPlace};
pub use record::Record;
pub use records::{Records, Walk};
pub use txn::{AbortedTxn, TxnFilter, Verdict};

#[cfg(test)]
mod tests;
