//! Appending: what a broker checks in what clients send, and how it gives batches their place.
//!
//! Java: `ProduceRequest.validateRecords`, `UnifiedLog.append`, `LogValidator`.

use bytes::Bytes;
use records::{
    Batch, BatchBuilder, Compression, Compressor, ControlMarker, DecodeError, Decompressor, Fault, patch,
};

use super::Log;
use super::producers::Check;
use crate::error_code::ErrorCode;

/// What the topic and the request say about a batch that is to be appended.
#[derive(Debug, Clone, Copy)]
pub struct AppendRules {
    /// Version of the Produce request.
    pub produce_version: i16,
    /// `max.message.bytes`.
    pub batch_bytes_max: usize,
    /// `cleanup.policy` has `compact`: every record needs a key.
    pub is_compacted: bool,
    /// `message.timestamp.type` is `LogAppendTime`.
    pub log_append_time: bool,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// The broker's clock, in milliseconds since 1970.
    pub now_ms: i64,
    /// The leader's epoch.
    pub leader_epoch: i32,
}

/// Where a batch went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendInfo {
    /// Offset of its first record.
    pub first_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// The broker's timestamp, or -1 if the producer's counts.
    pub log_append_time_ms: i64,
    /// It was there already (KIP-98): nothing was appended.
    pub is_duplicate: bool,
}

/// Why a batch was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The partition's error.
    pub code: ErrorCode,
    /// What a broker tells beside it.
    pub message: Option<String>,
    /// Records that are to blame, by their place in the batch.
    pub records: Vec<(i32, String)>,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self { code, message: None, records: Vec::new() }
    }
}

impl Log {
    /// Appends what a producer sent for this partition.
    ///
    /// # Errors
    /// What the broker would refuse it with; nothing has changed then.
    pub fn append(&mut self, records: &Bytes, rules: &AppendRules) -> Result<AppendInfo, Refusal> {
        let batch = only_batch(records, rules.produce_version)?;
        validate(&batch, rules)?;
        let header = *batch.header();
        if header.has_producer_id()
            && let Check::Duplicate(known) = self.producers.check(&header)?
        {
            // As Kafka: whosever time it is (`LogAppendInfo.setLogAppendTime` with the duplicate's).
            let log_append_time_ms = known.timestamp;
            let (first_offset, last_offset) = (known.first_offset, known.last_offset);
            return Ok(AppendInfo { first_offset, last_offset, log_append_time_ms, is_duplicate: true });
        }
        let mut bytes = batch.bytes().to_vec();
        let first_offset = self.end_offset;
        patch::place(&mut bytes, first_offset, rules.leader_epoch).map_err(|_| ErrorCode::CORRUPT_MESSAGE)?;
        if rules.log_append_time {
            patch::set_log_append_time(&mut bytes, rules.now_ms).map_err(|_| ErrorCode::CORRUPT_MESSAGE)?;
        }
        let last_offset = self.append_placed(bytes.into(), None, rules.now_ms)?;
        let log_append_time_ms = if rules.log_append_time { rules.now_ms } else { NO_TIMESTAMP };
        Ok(AppendInfo { first_offset, last_offset, log_append_time_ms, is_duplicate: false })
    }

    /// Appends the marker that ends a producer's transaction (WriteTxnMarkers); its offset.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_EPOCH` or `TRANSACTION_COORDINATOR_FENCED`.
    pub fn append_marker(
        &mut self,
        producer_id: i64,
        producer_epoch: i16,
        marker: ControlMarker,
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<i64, ErrorCode> {
        let (ControlMarker::Abort { coordinator_epoch } | ControlMarker::Commit { coordinator_epoch }) =
            marker
        else {
            return Err(ErrorCode::INVALID_REQUEST);
        };
        self.producers.check_marker(producer_id, producer_epoch, coordinator_epoch)?;
        let mut builder = BatchBuilder::control(marker, producer_id, producer_epoch, now_ms);
        builder.base_offset(self.end_offset).leader_epoch(leader_epoch);
        let bytes = builder.build(&mut Compressor::new()).map_err(|_| ErrorCode::UNKNOWN_SERVER_ERROR)?;
        self.append_placed(bytes, Some(marker), now_ms)
    }

    /// Appends a batch of the broker's own, or of a test: placed, but not checked. Its last offset.
    ///
    /// # Errors
    /// `CORRUPT_MESSAGE` if the bytes are not one batch of magic 2.
    pub fn append_trusted(&mut self, batch: &[u8], leader_epoch: i32, now_ms: i64) -> Result<i64, ErrorCode> {
        let mut bytes = batch.to_vec();
        patch::place(&mut bytes, self.end_offset, leader_epoch).map_err(|_| ErrorCode::CORRUPT_MESSAGE)?;
        let bytes = Bytes::from(bytes);
        let marker = Batch::parse(bytes.clone())
            .ok()
            .filter(|batch| batch.is_control())
            .and_then(|batch| super::marker_of(batch.bytes()));
        self.append_placed(bytes, marker, now_ms)
    }

    /// Appends batches byte for byte, with the offsets they have, of any format: what an old segment looks like.
    ///
    /// # Errors
    /// `CORRUPT_MESSAGE` if they are malformed, or begin below the log's end.
    pub fn append_raw(&mut self, batches: Bytes, now_ms: i64) -> Result<i64, ErrorCode> {
        for batch in records::Batches::new(batches) {
            let batch = batch.map_err(|_| ErrorCode::CORRUPT_MESSAGE)?;
            if batch.base_offset() < self.end_offset {
                return Err(ErrorCode::CORRUPT_MESSAGE);
            }
            let marker = batch.is_control().then(|| super::marker_of(batch.bytes())).flatten();
            self.append_placed(batch.bytes().clone(), marker, now_ms)?;
        }
        Ok(self.end_offset - 1)
    }

    fn append_placed(
        &mut self,
        bytes: Bytes,
        marker: Option<ControlMarker>,
        now_ms: i64,
    ) -> Result<i64, ErrorCode> {
        let batch = Batch::parse(bytes).map_err(|_| ErrorCode::CORRUPT_MESSAGE)?;
        let header = *batch.header();
        self.producers.replay(&header, marker, now_ms);
        self.txns.replay(&header, marker);
        self.push(header, batch.bytes().clone(), now_ms);
        Ok(header.last_offset())
    }
}

/// `ProduceRequest.validateRecords`: since Produce version 3 there is exactly one batch, of magic 2.
///
/// # Errors
/// What the partition is answered with, before anything else is looked at.
pub fn only_batch(records: &Bytes, version: i16) -> Result<Batch, Refusal> {
    let mut batches = records::Batches::new(records.clone());
    let batch = match batches.next() {
        Some(Ok(batch)) => batch,
        Some(Err(_)) => return Err(ErrorCode::CORRUPT_MESSAGE.into()),
        None => {
            return Err(invalid(format!(
                "Produce requests with version {version} must have at least one record batch per partition"
            )));
        }
    };
    if batch.magic() != 2 {
        return Err(invalid(format!(
            "Produce requests with version {version} are only allowed to contain record batches with magic version 2"
        )));
    }
    if version < 7 && batch.compression() == Ok(Compression::Zstd) {
        return Err(Refusal {
            message: Some(format!(
                "Produce requests with version {version} are not allowed to use ZStandard compression"
            )),
            ..ErrorCode::UNSUPPORTED_COMPRESSION_TYPE.into()
        });
    }
    match batches.next() {
        None => Ok(batch),
        Some(_) => Err(invalid(format!(
            "Produce requests with version {version} are only allowed to contain exactly one record batch per partition"
        ))),
    }
}

fn validate(batch: &Batch, rules: &AppendRules) -> Result<(), Refusal> {
    if batch.base_offset() != 0 {
        return Err(invalid(format!(
            "The baseOffset of the record batch should be 0, but it is {}",
            batch.base_offset()
        )));
    }
    if batch.size_in_bytes() > rules.batch_bytes_max {
        return Err(Refusal {
            message: Some(format!(
                "The record batch size is {} bytes which exceeds the maximum configured value of {}.",
                batch.size_in_bytes(),
                rules.batch_bytes_max
            )),
            ..ErrorCode::MESSAGE_TOO_LARGE.into()
        });
    }
    batch.verify_crc().map_err(|_| ErrorCode::CORRUPT_MESSAGE)?;
    let count = batch.record_count().unwrap_or(-1);
    if count <= 0 || batch.last_offset_delta().checked_add(1) != Some(count) {
        return Err(invalid(format!("Inconsistency between number of offsets and {count} records")));
    }
    if batch.is_control() {
        return Err(invalid("Clients are not allowed to write control records".to_owned()));
    }
    if batch.has_producer_id() && batch.base_sequence() < 0 {
        return Err(invalid(format!("Invalid sequence number {} in record batch", batch.base_sequence())));
    }
    validate_records(batch, rules)
}

fn validate_records(batch: &Batch, rules: &AppendRules) -> Result<(), Refusal> {
    let decoded = batch.decode(&mut Decompressor::new()).map_err(refuse_decode)?;
    let mut refused = Refusal::from(ErrorCode::NONE);
    for (index, record) in decoded.records().enumerate() {
        let record = record.map_err(refuse_decode)?;
        if record.offset() != index as i64 {
            return Err(invalid("Record offsets are not consecutive".to_owned()));
        }
        let timestamp = record.timestamp();
        let is_off = !rules.log_append_time
            && timestamp != NO_TIMESTAMP
            && (rules.now_ms.saturating_sub(timestamp) > rules.timestamp_before_max_ms
                || timestamp.saturating_sub(rules.now_ms) > rules.timestamp_after_max_ms);
        let problem = if rules.is_compacted && record.key().is_none() {
            Some((
                ErrorCode::INVALID_RECORD,
                "Compacted topic cannot accept message without key in topic partition.",
            ))
        } else if is_off {
            Some((ErrorCode::INVALID_TIMESTAMP, "Timestamp of message is out of range"))
        } else {
            None
        };
        if let Some((code, why)) = problem {
            refused.code = code;
            refused.message = Some("One or more records have been rejected".to_owned());
            refused.records.push((index as i32, why.to_owned()));
        }
    }
    if refused.code.is_none() { Ok(()) } else { Err(refused) }
}

/// What cannot be decompressed is an unexpected exception in Java; what cannot be read is an invalid record.
fn refuse_decode(error: DecodeError) -> Refusal {
    match error.fault {
        Fault::CrcMismatch { .. } => ErrorCode::CORRUPT_MESSAGE.into(),
        Fault::Corrupt { .. } | Fault::UnsupportedCodec { .. } | Fault::DecompressedTooLarge { .. } => {
            ErrorCode::UNKNOWN_SERVER_ERROR.into()
        }
        _ => invalid(error.to_string()),
    }
}

fn invalid(message: String) -> Refusal {
    Refusal { code: ErrorCode::INVALID_RECORD, message: Some(message), records: Vec::new() }
}

const NO_TIMESTAMP: i64 = -1;
