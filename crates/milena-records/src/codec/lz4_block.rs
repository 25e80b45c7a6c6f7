//! One LZ4 block, decompressed as fast as the C library does it, in safe Rust.
//!
//! A block is a row of sequences: a token, literals, and a match, which repeats what stands `offset` bytes back. In logs
//! literals and matches are a few bytes long, so the time goes into the starts of copies, not into bytes. Copies here have a
//! fixed length wherever there is room, whatever the true length is: what they write beyond it is written over by the next
//! sequence. A slice of a length the compiler knows costs one comparison and compiles to vector moves, where a copy of a
//! length it does not know is a call. That is worth a third of the time on the blocks of Java's producer.

/// Why a block was not decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockError {
    /// It is not a block.
    Corrupt,
    /// It holds more than there is room for.
    NoRoom,
}

/// Decompresses a block to `out[start..]`; where it ends there. Matches may reach back to the beginning of `out`.
///
/// On an error, what lies at and after `start` is undefined.
pub(super) fn decompress(input: &[u8], out: &mut [u8], start: usize) -> Result<usize, BlockError> {
    // Two plain numbers and two slices: with a struct around them the compiler keeps them in memory.
    let (mut at, mut end) = (0, start);
    loop {
        let (token, rest) = input.get(at..).and_then(<[u8]>::split_first).ok_or(BlockError::Corrupt)?;
        let (literals, length) = (usize::from(token >> 4), usize::from(token & 15));
        if literals < LONG
            && let Some(source) = rest.first_chunk::<SHORT_SEQUENCE>()
            && let Some((written, room)) = out.split_at_mut_checked(end)
            && let Some(room) = room.first_chunk_mut::<ROOM>()
        {
            room[..16].copy_from_slice(&source[..16]);
            at += 1 + literals + 2;
            end += literals;
            let offset = usize::from(u16::from_le_bytes([source[literals], source[literals + 1]]));
            // Far enough back that none of it is in the room.
            if length < LONG
                && offset >= ROOM
                && let Some(from) = end.checked_sub(offset)
                && let Some(source) =
                    written.get(from..).and_then(|source| source.first_chunk::<SHORT_MATCH>())
            {
                room[literals..literals + SHORT_MATCH].copy_from_slice(source);
                end += length + MATCH_MIN;
            } else {
                end = copy_match(input, &mut at, out, end, offset, length)?;
            }
            continue;
        }
        at += 1;
        end = copy_literals(input, &mut at, out, end, literals)?;
        if at == input.len() {
            return Ok(end);
        }
        let offset = input.get(at..).and_then(|rest| rest.first_chunk::<2>()).ok_or(BlockError::Corrupt)?;
        at += 2;
        end = copy_match(input, &mut at, out, end, usize::from(u16::from_le_bytes(*offset)), length)?;
    }
}

/// A length that does not fit the token goes on in bytes, up to the first that is not 255.
#[inline]
fn read_length(input: &[u8], at: &mut usize, in_token: usize) -> Result<usize, BlockError> {
    let mut length = in_token;
    if in_token == LONG {
        loop {
            let byte = *input.get(*at).ok_or(BlockError::Corrupt)?;
            *at += 1;
            length = length.saturating_add(usize::from(byte));
            if byte != 255 {
                break;
            }
        }
    }
    Ok(length)
}

/// Copies literals to `out[end..]`; where they end.
#[inline]
fn copy_literals(
    input: &[u8],
    at: &mut usize,
    out: &mut [u8],
    end: usize,
    in_token: usize,
) -> Result<usize, BlockError> {
    let length = read_length(input, at, in_token)?;
    let rest = input.get(*at..).ok_or(BlockError::Corrupt)?;
    if length <= CHUNK
        && let Some(source) = rest.first_chunk::<CHUNK>()
        && let Some(room) = out.get_mut(end..).and_then(|room| room.first_chunk_mut::<CHUNK>())
    {
        *room = *source;
    } else {
        let source = rest.get(..length).ok_or(BlockError::Corrupt)?;
        let room = out.get_mut(end..).and_then(|room| room.get_mut(..length));
        room.ok_or(BlockError::NoRoom)?.copy_from_slice(source);
    }
    *at += length;
    Ok(end + length)
}

/// Copies a match to `out[start..]`; where it ends.
#[inline]
fn copy_match(
    input: &[u8],
    at: &mut usize,
    out: &mut [u8],
    start: usize,
    offset: usize,
    in_token: usize,
) -> Result<usize, BlockError> {
    let length = read_length(input, at, in_token)?.saturating_add(MATCH_MIN);
    if offset == 0 || offset > start {
        return Err(BlockError::Corrupt);
    }
    let from = start - offset;
    let end = start.checked_add(length).filter(|end| *end <= out.len()).ok_or(BlockError::NoRoom)?;
    if offset >= CHUNK && length <= CHUNKED_MAX && end + CHUNK <= out.len() {
        let mut done = 0;
        while done < length {
            copy_chunk::<CHUNK>(out, from + done, start + done);
            done += CHUNK;
        }
    } else if offset >= SMALL_CHUNK && length <= CHUNKED_MAX && end + SMALL_CHUNK <= out.len() {
        // It may overlap itself, but no eight bytes of it do.
        let mut done = 0;
        while done < length {
            copy_chunk::<SMALL_CHUNK>(out, from + done, start + done);
            done += SMALL_CHUNK;
        }
    } else if offset >= length {
        out.copy_within(from..from + length, start);
    } else if offset == 1 {
        let byte = out[from];
        out[start..end].fill(byte);
    } else {
        // It repeats itself: each copy doubles what the next can take.
        let mut at = start;
        while at < end {
            let length = (at - from).min(end - at);
            out.copy_within(from..from + length, at);
            at += length;
        }
    }
    Ok(end)
}

/// Both ends are in bounds, or nothing is copied: callers have seen to it.
#[inline]
fn copy_chunk<const N: usize>(out: &mut [u8], from: usize, to: usize) {
    let Some(source) = out.get(from..).and_then(|source| source.first_chunk::<N>()).copied() else { return };
    if let Some(room) = out.get_mut(to..).and_then(|room| room.first_chunk_mut::<N>()) {
        *room = source;
    }
}

/// In a token: the length goes on after it.
const LONG: usize = 15;
/// A match has this many bytes more than its length says.
const MATCH_MIN: usize = 4;
/// Most bytes of a match whose length fits the token.
const SHORT_MATCH: usize = LONG - 1 + MATCH_MIN;
/// Literals of a short sequence, copied as 16, and the offset after them.
const SHORT_SEQUENCE: usize = 18;
/// Room for a short sequence and what its copies write beyond it: 14 literals, 18 bytes of a match.
const ROOM: usize = LONG - 1 + SHORT_MATCH;
const CHUNK: usize = 32;
const SMALL_CHUNK: usize = 8;
/// Longer matches are left to the system's copy.
const CHUNKED_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use lz4_flex::block;
    use proptest::prelude::*;

    use super::*;

    fn both(input: &[u8], room: usize) -> (Result<Vec<u8>, BlockError>, Option<Vec<u8>>) {
        let mut out = vec![0xaa; room];
        let ours = decompress(input, &mut out, 0).map(|end| out[..end].to_vec());
        let mut out = vec![0xaa; room];
        let theirs = block::decompress_into(input, &mut out).ok().map(|end| out[..end].to_vec());
        (ours, theirs)
    }

    /// Text with repeats of all distances and lengths: what makes every path of the decoder run.
    fn text() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..80),
            (any::<u8>(), 0..600usize).prop_map(|(byte, count)| vec![byte; count]),
            (proptest::collection::vec(any::<u8>(), 1..40), 1..60usize)
                .prop_map(|(unit, count)| unit.repeat(count)),
            Just(b"the quick brown fox ".repeat(3)),
        ];
        proptest::collection::vec(part, 0..30).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(text in text()) {
            let compressed = block::compress(&text);
            // Exactly enough room, more, and too little.
            for room in [text.len(), text.len() + 1, text.len() + 200] {
                let (ours, theirs) = both(&compressed, room);
                prop_assert_eq!(ours.as_deref(), Ok(&text[..]));
                prop_assert_eq!(theirs.as_deref(), Some(&text[..]));
            }
            if let Some(less) = text.len().checked_sub(1) {
                prop_assert_eq!(both(&compressed, less).0, Err(BlockError::NoRoom));
            }
        }

        #[test]
        fn a_damaged_block_is_read_as_lz4_flex_reads_it(
            text in text(),
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut compressed = block::compress(&text);
            for (at, byte) in damage {
                let at = at.index(compressed.len());
                compressed[at] = byte;
            }
            for input in [&compressed[..], &compressed[..cut.index(compressed.len())]] {
                let (ours, theirs) = both(input, text.len() + 100);
                prop_assert_eq!(ours.ok(), theirs);
            }
        }

        #[test]
        fn noise_is_read_as_lz4_flex_reads_it(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (ours, theirs) = both(&noise, 4096);
            prop_assert_eq!(ours.ok(), theirs);
        }
    }

    #[test]
    fn every_distance_and_length_of_a_match() {
        for distance in 1..70_usize {
            for length in 4..90_usize {
                let unit: Vec<u8> = (0..distance).map(|byte| byte as u8).collect();
                let mut text = unit.clone();
                text.extend(unit.iter().cycle().take(length));
                text.extend([0xee; 5]);
                let mut input = Vec::new();
                sequence(&mut input, &unit, Some((distance, length)));
                sequence(&mut input, &[0xee; 5], None);
                for spare in [0, 7, 31, 63, 200] {
                    let (ours, theirs) = both(&input, text.len() + spare);
                    assert_eq!(ours.as_deref(), Ok(&text[..]), "{distance} {length} {spare}");
                    assert_eq!(theirs.as_deref(), Some(&text[..]));
                }
            }
        }
    }

    #[test]
    fn a_match_may_reach_back_before_the_block() {
        let mut input = Vec::new();
        sequence(&mut input, b"-", Some((6, 5)));
        sequence(&mut input, b"!", None);
        let mut out = *b"hello..........";
        assert_eq!(decompress(&input, &mut out, 5), Ok(12));
        assert_eq!(&out[..12], b"hello-hello!");
        // But not before the output.
        let mut input = Vec::new();
        sequence(&mut input, b"-", Some((7, 5)));
        sequence(&mut input, b"!", None);
        assert_eq!(decompress(&input, &mut out, 5), Err(BlockError::Corrupt));
    }

    #[test]
    fn lengths_beyond_all_memory_are_refused() {
        let mut input = vec![0xff];
        input.extend([0xff; 5000]);
        assert_eq!(decompress(&input, &mut [0; 100], 0), Err(BlockError::Corrupt));
        input.push(0);
        assert_eq!(decompress(&input, &mut [0; 100], 0), Err(BlockError::Corrupt));
        // A match of a megabyte where there is room for a hundred bytes.
        let mut input = vec![0x1f, b'x', 1, 0];
        input.extend([0xff; 5000]);
        input.push(0);
        assert_eq!(decompress(&input, &mut [0; 100], 0), Err(BlockError::NoRoom));
    }

    fn sequence(input: &mut Vec<u8>, literals: &[u8], matched: Option<(usize, usize)>) {
        let length = matched.map_or(0, |(_, length)| length - MATCH_MIN);
        input.push(((literals.len().min(LONG) << 4) | length.min(LONG)) as u8);
        extend(input, literals.len());
        input.extend(literals);
        if let Some((distance, _)) = matched {
            input.extend((distance as u16).to_le_bytes());
            extend(input, length);
        }
    }

    fn extend(input: &mut Vec<u8>, length: usize) {
        let Some(mut more) = length.checked_sub(LONG) else { return };
        while more >= 255 {
            input.push(255);
            more -= 255;
        }
        input.push(more as u8);
    }
}
