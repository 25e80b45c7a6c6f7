//! What can be wrong with bytes that claim to be record batches, as facts that tests can compare.

use crate::Compression;

/// A batch that cannot be read, and which one it is.
///
/// A malformed batch is always an error and never a skip: whoever reads the log decides what happens to the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("batch with offset {base_offset}: {fault}")]
pub struct DecodeError {
    /// The offset field at the start of the batch: of magic 2 the base offset, of magic 0 and 1 the (last) offset of
    /// the message. It is not covered by any CRC, so it is where to look, not something to trust.
    pub base_offset: i64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The bytes end inside a field.
    #[error("{what} needs {need} bytes where {have} are left")]
    Truncated {
        /// The field.
        what: &'static str,
        /// Bytes the field claims to have.
        need: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// The length field leaves no room for the batch's own header.
    #[error("length of {length} bytes is less than the {min} of an empty batch of magic {magic}")]
    BatchTooSmall {
        /// The format whose header does not fit.
        magic: i8,
        /// The length field, in bytes after it.
        length: i32,
        /// The least it can be.
        min: i32,
    },
    /// A magic this crate does not know; 0, 1 and 2 exist.
    #[error("unknown magic {magic}")]
    UnsupportedMagic {
        /// The magic byte.
        magic: i8,
    },
    /// The checksum does not match the bytes.
    #[error("checksum is {computed:#010x}, the batch says {stored:#010x}")]
    CrcMismatch {
        /// What the batch says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// A codec id this crate does not know.
    #[error("unknown compression codec {id}")]
    UnknownCodec {
        /// The id in the attributes.
        id: u8,
    },
    /// A codec that was left out when this crate was built, or that the format does not have (zstd before magic 2).
    #[error("{codec} is not available here: {reason}")]
    UnsupportedCodec {
        /// The codec.
        codec: Compression,
        /// Which feature would bring it, or why none can.
        reason: &'static str,
    },
    /// Compressed bytes that do not decompress.
    #[error("{codec}: {what}")]
    Corrupt {
        /// The codec.
        codec: Compression,
        /// The part that is wrong.
        what: &'static str,
    },
    /// The batch decompresses to more bytes than its reader allows.
    #[error("decompresses to more than the limit of {limit} bytes")]
    DecompressedTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The base offset is negative, or the last offset lies before the first or beyond 2^63.
    #[error("last offset delta {last_offset_delta} gives no valid range of offsets")]
    InvalidOffsetRange {
        /// The field that, added to the base offset, gives the last offset; 0 in magic 0 and 1.
        last_offset_delta: i32,
    },
    /// A batch whose offsets do not lie after those of the batch before it in the same answer.
    #[error("starts no later than the end ({previous_last_offset}) of the batch before it")]
    BatchOutOfOrder {
        /// The last offset of the batch before.
        previous_last_offset: i64,
    },
    /// The record count is negative, or more than the bytes or the range of offsets can hold.
    #[error("record count {count} is not within 0..={max}")]
    RecordCount {
        /// What the batch says.
        count: i32,
        /// The most that could be true.
        max: usize,
    },
    /// Bytes are left after the last record.
    #[error("{bytes} bytes are left after record {count}, which should be the last")]
    RecordsLeft {
        /// The record count of the batch.
        count: usize,
        /// Bytes left over.
        bytes: usize,
    },
    /// A record's offset lies outside of the range its batch announces.
    #[error("record offset {offset} lies outside of the batch, which ends at {last_offset}")]
    OffsetOutsideBatch {
        /// The record's offset.
        offset: i64,
        /// The batch's last offset.
        last_offset: i64,
    },
    /// A record's offset is not greater than that of the record before it.
    #[error("record offset {offset} follows {previous}")]
    OffsetNotRising {
        /// The record's offset.
        offset: i64,
        /// The offset before it.
        previous: i64,
    },
    /// A varint of more than five bytes, or a varlong of more than ten.
    #[error("{what} is a varint without end")]
    OverlongVarint {
        /// The field.
        what: &'static str,
    },
    /// A negative length where none can be.
    #[error("{what} is {length}")]
    NegativeLength {
        /// The field.
        what: &'static str,
        /// What it says.
        length: i32,
    },
    /// A record whose fields end before the record does.
    #[error("{left} bytes are left in a record of {length} bytes")]
    RecordNotFilled {
        /// The record's length.
        length: usize,
        /// The bytes no field has claimed.
        left: usize,
    },
    /// A header count that the rest of the record cannot hold.
    #[error("{count} headers cannot fit in {have} bytes")]
    HeaderCount {
        /// What the record says.
        count: i32,
        /// Bytes left in the record.
        have: usize,
    },
    /// A compressed message set of magic 0 or 1 without a value.
    #[error("compressed message set has no value")]
    EmptyWrapper,
    /// A compressed message set of magic 0 or 1 without a message in it.
    #[error("compressed message set holds no message")]
    NoInnerMessages,
    /// A compressed message inside a compressed message set: Kafka never nests them, bombs do.
    #[error("compressed message inside of a compressed message set")]
    NestedCompression,
    /// A control batch whose first record is not a control record.
    #[error("control record: {what}")]
    InvalidControlRecord {
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Fault {
    /// Names the batch.
    pub(crate) fn at(self, base_offset: i64) -> DecodeError {
        DecodeError { base_offset, fault: self }
    }
}

/// A batch that cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The batch would be larger than the format's length field can say.
    #[error("a batch cannot hold more than 2 GiB")]
    TooLarge,
    /// An offset that does not lie after the one before it, or not within 2^31 of the first.
    #[error("record offset delta {delta} cannot follow {last}")]
    OffsetOrder {
        /// The delta asked for.
        delta: i64,
        /// The delta of the last record, -1 before the first.
        last: i64,
    },
    /// A codec that was left out when this crate was built, or that the format does not have.
    #[error("{codec} is not available here: {reason}")]
    UnsupportedCodec {
        /// The codec.
        codec: Compression,
        /// Which feature would bring it, or why none can.
        reason: &'static str,
    },
    /// The codec refused; none is known to, short of an exhausted memory.
    #[error("{codec} failed to compress")]
    CodecFailed {
        /// The codec.
        codec: Compression,
    },
}
