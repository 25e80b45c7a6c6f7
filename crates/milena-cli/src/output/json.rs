//! The few pieces of JSON that lines are made of, appended to a buffer that is used again and again.
//!
//! Strings are escaped exactly as `serde_json` does it, which the tests compare.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Appends a string with its quotes.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let Some(escape) = escape(byte) else { continue };
        out.extend_from_slice(&bytes[copied..at]);
        copied = at + 1;
        match escape {
            b'u' => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            letter => out.extend_from_slice(&[b'\\', letter]),
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

/// Appends bytes as a string, decoded as Java does it: what is no UTF-8 shows as U+FFFD.
pub(crate) fn push_lossy(out: &mut Vec<u8>, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => push_string(out, text),
        Err(_) => push_string(out, &decode_as_java(bytes)),
    }
}

/// `String::from_utf8_lossy`, but for surrogates: to Java's decoder (`String.decodeUTF8_UTF16`) the three bytes of one, or the
/// two at the end of the text, are one thing that cannot be. To Rust's they are a wrong byte and then another.
pub(super) fn decode_as_java(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 8);
    // Bytes of a surrogate that has its replacement already.
    let mut surrogate = 0;
    for chunk in bytes.utf8_chunks() {
        if !chunk.valid().is_empty() {
            surrogate = 0;
        }
        text.push_str(chunk.valid());
        surrogate = match (surrogate, chunk.invalid()) {
            (1, [0xa0..=0xbf]) => 2,
            (2, [0x80..=0xbf]) => 0,
            (_, []) => 0,
            (_, invalid) => {
                text.push(char::REPLACEMENT_CHARACTER);
                usize::from(invalid == [0xed])
            }
        };
    }
    text
}

/// Appends a number.
pub(crate) fn push_i64(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    let mut digits = [0; DIGITS_MAX];
    let mut at = DIGITS_MAX;
    let mut left = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends bytes as a base64 string, or null.
pub(crate) fn push_base64(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else {
        out.extend_from_slice(b"null");
        return;
    };
    out.push(b'"');
    let at = out.len();
    out.resize(at + bytes.len().div_ceil(3) * 4, 0);
    // The room is exactly what padded base64 takes.
    let written = STANDARD.encode_slice(bytes, &mut out[at..]).unwrap_or(0);
    out.truncate(at + written);
    out.push(b'"');
}

/// The letter behind the backslash, `u` for those that have none of their own.
fn escape(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' => Some(byte),
        0x08 => Some(b'b'),
        b'\t' => Some(b't'),
        b'\n' => Some(b'n'),
        0x0c => Some(b'f'),
        b'\r' => Some(b'r'),
        0..0x20 => Some(b'u'),
        _ => None,
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";
/// 2^64 has twenty.
const DIGITS_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pushed(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b"before ".to_vec();
        push(&mut out);
        String::from_utf8(out.split_off(7)).unwrap()
    }

    #[test]
    fn every_ascii_character_is_escaped_as_serde_json_does() {
        let all: String = (0..=0x7f_u8).map(char::from).chain("žluťoučký \u{2028}😀".chars()).collect();
        assert_eq!(pushed(|out| push_string(out, &all)), serde_json::to_string(&all).unwrap());
    }

    #[test]
    fn numbers_at_their_ends() {
        for number in [0, 7, -1, 10, i64::MAX, i64::MIN] {
            assert_eq!(pushed(|out| push_i64(out, number)), number.to_string());
        }
    }

    /// What Java 17 makes of these; it was asked for all strings of up to five bytes out of seventeen that matter.
    #[test]
    fn what_is_no_utf_8_shows_as_in_java() {
        let vectors: [(&[u8], &str); 9] = [
            (b"a\xc3", "a?"),
            (b"\xff\xfe", "??"),
            (b"\xed\xa0\x80\xf0\x9f", "??"),
            (b"\xed\xa0", "?"),
            (b"\xed\xa0\xed\xbf\xbfb", "??b"),
            (b"\xed\xa0b\x80", "?b?"),
            (b"\xed\xa0\x80\x80\xa0", "???"),
            (b"\xe0\x80\x80", "???"),
            (b"\xf4\x90\x80\x80", "????"),
        ];
        for (bytes, wanted) in vectors {
            let wanted = format!("\"{}\"", wanted.replace('?', "\u{fffd}"));
            assert_eq!(pushed(|out| push_lossy(out, bytes)), wanted, "{bytes:x?}");
        }
    }

    #[test]
    fn null_and_empty_are_different() {
        assert_eq!(pushed(|out| push_base64(out, None)), "null");
        assert_eq!(pushed(|out| push_base64(out, Some(b""))), "\"\"");
    }

    proptest! {
        #[test]
        fn strings_are_those_of_serde_json(text: String) {
            prop_assert_eq!(pushed(|out| push_string(out, &text)), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn bytes_without_surrogates_decode_as_std_has_it(mut bytes: Vec<u8>) {
            bytes.retain(|byte| *byte != 0xed);
            prop_assert_eq!(decode_as_java(&bytes), String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn numbers_are_those_of_std(number: i64) {
            prop_assert_eq!(pushed(|out| push_i64(out, number)), number.to_string());
        }

        #[test]
        fn bytes_come_back(bytes: Vec<u8>) {
            let text = pushed(|out| push_base64(out, Some(&bytes)));
            prop_assert_eq!(STANDARD.decode(text.trim_matches('"')).unwrap(), bytes);
        }
    }
}
