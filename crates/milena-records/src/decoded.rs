//! A batch that has been checked and decompressed: its records can be walked, any number of times, from any thread.

use std::fmt;

use bytes::Bytes;

use crate::header::BATCH_OVERHEAD;
use crate::legacy::{self, LegacySet};
use crate::{
    Batch, BatchHeader, Compression, ControlMarker, DecodeError, Decompressor, Fault, OwnedRecord, Records,
    Walk,
};

/// The records of one batch, ready to be walked.
///
/// Cloning copies the header and counts one reference. The records are slices of the buffer the batch came in, or, if it
/// was compressed, of one from the pool of its [`Decompressor`], which goes back there with the last reference.
#[derive(Clone)]
pub struct DecodedBatch {
    header: BatchHeader,
    data: Bytes,
    format: Format,
    owned_bytes: usize,
}

/// How the records lie in `data`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Format {
    /// Records of magic 2.
    V2,
    /// Messages of magic 0 or 1.
    Legacy(LegacySet),
}

impl DecodedBatch {
    /// Decompresses a batch whose CRC has been checked, and checks its counts.
    pub(crate) fn decode<G: Send + 'static>(
        batch: &Batch,
        decompressor: &mut Decompressor,
        charge: impl FnOnce(usize) -> G,
    ) -> Result<Self, Fault> {
        let codec = batch.compression()?;
        if batch.magic() < 2 {
            Self::decode_legacy(batch, codec, decompressor, charge)
        } else {
            Self::decode_v2(batch, codec, decompressor, charge)
        }
    }

    fn decode_v2<G: Send + 'static>(
        batch: &Batch,
        codec: Compression,
        decompressor: &mut Decompressor,
        charge: impl FnOnce(usize) -> G,
    ) -> Result<Self, Fault> {
        let header = *batch.header();
        // As Java: no record is looked for in a batch that says it holds none, whatever else it holds. Compaction leaves such
        // batches behind so that sequence numbers stay known, and refusing one would stop a reader where Java goes on.
        if header.count == 0 {
            return Ok(Self { header, data: Bytes::new(), format: Format::V2, owned_bytes: 0 });
        }
        // Stricter than Java, which never compares the two: a count beyond the offsets of the batch cannot be true.
        let offsets = header.last_offset_delta() as usize + 1;
        check_count(header.count, offsets)?;
        let section = batch.bytes().slice(BATCH_OVERHEAD..);
        if codec == Compression::None {
            check_count(header.count, section.len() / RECORD_MIN)?;
            return Ok(Self { header, data: section, format: Format::V2, owned_bytes: 0 });
        }
        let output = decompressor.decompress(codec, header.magic, &section)?;
        if let Err(fault) = check_count(header.count, output.filled().len() / RECORD_MIN) {
            decompressor.release(output);
            return Err(fault);
        }
        let owned_bytes = output.capacity();
        let data = decompressor.keep(output, charge(owned_bytes));
        Ok(Self { header, data, format: Format::V2, owned_bytes })
    }

    fn decode_legacy<G: Send + 'static>(
        batch: &Batch,
        codec: Compression,
        decompressor: &mut Decompressor,
        charge: impl FnOnce(usize) -> G,
    ) -> Result<Self, Fault> {
        let mut header = *batch.header();
        if codec == Compression::None {
            let set = legacy::single(batch.bytes())?;
            let data = batch.bytes().clone();
            return Ok(Self { header, data, format: Format::Legacy(set), owned_bytes: 0 });
        }
        if codec == Compression::Zstd {
            return Err(Fault::UnsupportedCodec { codec, reason: "zstd came with magic 2" });
        }
        let value = legacy::wrapped(batch.bytes())?;
        let output = decompressor.decompress(codec, header.magic, value)?;
        let set = match legacy::unwrap(&header, output.filled()) {
            Ok(set) => set,
            Err(fault) => {
                decompressor.release(output);
                return Err(fault);
            }
        };
        header.base_offset = set.first_offset;
        header.count = set.count as i32;
        let owned_bytes = output.capacity();
        let data = decompressor.keep(output, charge(owned_bytes));
        Ok(Self { header, data, format: Format::Legacy(set), owned_bytes })
    }

    /// The batch's header. Of a compressed message set of magic 0 or 1 it says the true base offset here.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// How many records there are: as many as the batch says, which walking them confirms.
    pub fn record_count(&self) -> usize {
        usize::try_from(self.header.count).unwrap_or(0)
    }

    /// Bytes of memory that decompression took for this batch and that are given back with its last reference; 0 for a
    /// batch that was not compressed.
    pub fn owned_bytes(&self) -> usize {
        self.owned_bytes
    }

    /// Walks the records, borrowed from this batch: no allocation, no copy, no reference count.
    ///
    /// The walk ends after the first error. Compaction leaves gaps between offsets, and records below the position that
    /// was asked for are part of the batch, too: the caller skips them.
    pub fn records(&self) -> Records<'_> {
        Records::new(self)
    }

    /// Goes on with a walk over the records of this batch where it [stopped](Records::stop). A walk of another batch's
    /// records makes no sense, and no harm.
    #[inline]
    pub fn resume(&self, walk: Walk) -> Records<'_> {
        Records::resume(self, walk)
    }

    /// Walks the records as reference-counted slices that outlive this batch; 4 times the price of [`records`](Self::records).
    pub fn owned_records(&self) -> impl Iterator<Item = Result<OwnedRecord, DecodeError>> + '_ {
        self.records().map(|record| record.map(|record| record.into_owned()))
    }

    /// Walks all records once, for those who want to know that a batch is sound before they use its first record.
    ///
    /// # Errors
    /// The first fault of a record.
    pub fn validate(&self) -> Result<(), DecodeError> {
        self.records().try_for_each(|record| record.map(|_| ()))
    }

    /// What a control batch says; `None` for every other batch, and for a control batch that compaction has emptied.
    ///
    /// # Errors
    /// If its first record is not a control record.
    pub fn control_marker(&self) -> Result<Option<ControlMarker>, DecodeError> {
        if !self.header.is_control() {
            return Ok(None);
        }
        let Some(record) = self.records().next() else { return Ok(None) };
        ControlMarker::read(&record?).map(Some).map_err(|fault| fault.at(self.header.base_offset))
    }

    pub(crate) fn data(&self) -> &Bytes {
        &self.data
    }

    pub(crate) fn format(&self) -> &Format {
        &self.format
    }
}

impl fmt::Debug for DecodedBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecodedBatch").field("header", &self.header).field("bytes", &self.data.len()).finish()
    }
}

fn check_count(count: i32, max: usize) -> Result<(), Fault> {
    match usize::try_from(count) {
        Ok(claimed) if claimed <= max => Ok(()),
        _ => Err(Fault::RecordCount { count, max }),
    }
}

/// The least bytes of a record: length, attributes, two deltas, null key, null value, no headers.
pub(crate) const RECORD_MIN: usize = 7;
