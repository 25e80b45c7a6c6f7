//! Segments of logs as they lie on a broker's disk: batches one after the other.

use std::io::{self, BufRead, BufReader, Read};

use records::{Batch, DecodeError, Fault, walk_headers};

/// Reads the batches of a segment, one by one. It holds one batch in memory, and never more than the file has.
pub(crate) struct Segment<R> {
    input: BufReader<R>,
    position: u64,
    previous_last_offset: Option<i64>,
}

/// What comes next in a segment.
#[derive(Debug)]
pub(crate) enum Next {
    /// A batch, and the position of its first byte.
    Batch(u64, Batch),
    /// The end of the file, after its last batch.
    End,
    /// The file ends inside a batch.
    CutOff {
        /// Where that batch begins.
        position: u64,
        /// Bytes of it that are there.
        have: usize,
        /// Bytes it claims to have, if enough of it is there to say so.
        need: Option<u64>,
    },
    /// Nothing but zeroes to the end: room that the broker has reserved (`log.preallocate`).
    Zeroes {
        /// Where they begin.
        position: u64,
        /// How many.
        bytes: u64,
    },
}

/// Why a segment cannot be read on.
#[derive(Debug)]
pub(crate) enum SegmentError {
    /// The file cannot be read.
    Io(io::Error),
    /// What is there is no batch.
    Corrupt {
        /// Where it begins.
        position: u64,
        /// What is wrong.
        error: DecodeError,
    },
}

impl From<io::Error> for SegmentError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<R: Read> Segment<R> {
    /// Reads from the first byte of a segment.
    pub(crate) fn new(input: R) -> Self {
        Self { input: BufReader::with_capacity(READ, input), position: 0, previous_last_offset: None }
    }

    /// What comes next. After anything but a batch there is nothing more.
    ///
    /// # Errors
    /// The file cannot be read, or what is there is no batch.
    pub(crate) fn next(&mut self) -> Result<Next, SegmentError> {
        let position = self.position;
        let mut bytes = Vec::new();
        self.read(&mut bytes, LOG_OVERHEAD)?;
        let Some(need) = length(&bytes) else {
            let have = bytes.len();
            return Ok(if have == 0 { Next::End } else { Next::CutOff { position, have, need: None } });
        };
        if is_zero(&bytes)
            && let Some(zeroes) = self.zeroes()?
        {
            return Ok(Next::Zeroes { position, bytes: LOG_OVERHEAD + zeroes });
        }
        let corrupt = |error| SegmentError::Corrupt { position, error };
        // What is no header is no batch that is cut off, whatever length it claims.
        self.read(&mut bytes, need.min(HEADER).saturating_sub(LOG_OVERHEAD))?;
        walk_headers(&bytes).map_err(corrupt)?;
        // The length is a rumour: memory follows the bytes that are there, not the bytes that are claimed.
        self.read(&mut bytes, need.saturating_sub(HEADER))?;
        let have = bytes.len();
        if (have as u64) < need {
            return Ok(Next::CutOff { position, have, need: Some(need) });
        }
        let batch = Batch::parse(bytes.into()).map_err(corrupt)?;
        if let Some(previous_last_offset) = self.previous_last_offset
            && batch.base_offset() <= previous_last_offset
        {
            let fault = Fault::BatchOutOfOrder { previous_last_offset };
            return Err(corrupt(DecodeError { base_offset: batch.base_offset(), fault }));
        }
        self.previous_last_offset = Some(batch.last_offset());
        Ok(Next::Batch(position, batch))
    }

    fn read(&mut self, bytes: &mut Vec<u8>, count: u64) -> io::Result<()> {
        let read = self.input.by_ref().take(count).read_to_end(bytes)?;
        self.position += read as u64;
        Ok(())
    }

    /// How many zeroes are left; `None` as soon as something else shows, which then is looked at as a batch.
    fn zeroes(&mut self) -> io::Result<Option<u64>> {
        let mut zeroes = 0;
        loop {
            let chunk = self.input.fill_buf()?;
            if chunk.is_empty() {
                return Ok(Some(zeroes));
            }
            if !is_zero(chunk) {
                return Ok(None);
            }
            let len = chunk.len();
            zeroes += len as u64;
            self.input.consume(len);
        }
    }
}

/// Bytes of the batch that begins with these; a negative length is left to the decoder, which refuses it.
fn length(bytes: &[u8]) -> Option<u64> {
    let field = bytes.get(8..)?.first_chunk()?;
    let length = i32::from_be_bytes(*field);
    Some(LOG_OVERHEAD + u64::try_from(length).unwrap_or(0))
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Offset and length, in front of every batch of any magic.
const LOG_OVERHEAD: u64 = 12;
/// Bytes that hold a header of any magic.
const HEADER: u64 = 61;
/// Bytes that are read at once.
const READ: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use records::{BatchBuilder, Compression, Compressor, NewRecord};

    use super::*;

    fn batch(base_offset: i64) -> Vec<u8> {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.base_offset(base_offset);
        builder.push(&NewRecord::new(1).value("v")).unwrap();
        builder.build(&mut Compressor::new()).unwrap().to_vec()
    }

    fn read(bytes: &[u8]) -> Vec<String> {
        let mut segment = Segment::new(bytes);
        let mut read = Vec::new();
        loop {
            match segment.next() {
                Ok(Next::Batch(position, batch)) => read.push(format!("{position}: {}", batch.base_offset())),
                Ok(Next::End) => return read,
                Ok(end) => read.push(format!("{end:?}")),
                Err(SegmentError::Corrupt { position, error }) => read.push(format!("{position}: {error}")),
                Err(SegmentError::Io(error)) => panic!("{error}"),
            }
            if !read.last().unwrap().ends_with(char::is_numeric) {
                return read;
            }
        }
    }

    #[test]
    fn batches_one_after_the_other() {
        let bytes = [batch(3), batch(9)].concat();
        let len = batch(3).len();
        assert_eq!(read(&bytes), ["0: 3".to_owned(), format!("{len}: 9")]);
        assert!(read(&[]).is_empty());
    }

    #[test]
    fn a_cut_anywhere_is_seen() {
        let whole = batch(0);
        for cut in 1..whole.len() {
            let bytes = [&whole, &whole[..cut]].concat();
            let last = read(&bytes).pop().unwrap();
            assert!(last.starts_with("CutOff"), "{cut}: {last}");
        }
    }

    #[test]
    fn reserved_room_is_no_fault_and_zeroes_before_something_else_are() {
        let len = batch(1).len();
        let bytes = [batch(1), vec![0; 3 << 20]].concat();
        assert_eq!(read(&bytes)[1], format!("Zeroes {{ position: {len}, bytes: {} }}", 3 << 20));
        let bytes = [batch(1), vec![0; 100], batch(2)].concat();
        assert!(read(&bytes)[1].contains("length of 0 bytes"), "{:?}", read(&bytes));
    }

    #[test]
    fn lengths_that_lie_cost_no_memory() {
        for length in [i32::MAX, 1 << 30] {
            let bytes = [&[0; 8][..], &length.to_be_bytes(), &[2; 40]].concat();
            let mut segment = Segment::new(&bytes[..]);
            let cut = segment.next().unwrap();
            assert!(matches!(cut, Next::CutOff { have: 52, .. }), "{cut:?}");
        }
        for length in [i32::MIN, -1, 0, 13] {
            let bytes = [&[7; 8][..], &length.to_be_bytes(), &[2; 40]].concat();
            assert!(matches!(Segment::new(&bytes[..]).next(), Err(SegmentError::Corrupt { .. })), "{length}");
        }
    }

    #[test]
    fn offsets_that_do_not_rise_are_refused() {
        let bytes = [batch(5), batch(5)].concat();
        assert!(read(&bytes)[1].contains("starts no later"), "{:?}", read(&bytes));
    }
}
