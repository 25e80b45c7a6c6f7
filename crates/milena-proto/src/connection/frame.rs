//! The four bytes in front of every answer, and what else they may turn out to be.

use thiserror::Error;

/// Why four bytes are not the length of an awaited answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum FrameError {
    /// Shorter than the correlation id that every answer begins with.
    #[error("an answer of {len} bytes")]
    TooShort {
        /// What the bytes say.
        len: i32,
    },
    /// Longer than its request allows.
    #[error("an answer of {len} bytes where at most {max} are expected")]
    TooLong {
        /// What the bytes say.
        len: usize,
        /// The most there may be.
        max: usize,
    },
    /// The other end speaks HTTP.
    #[error("an HTTP server answers: this is no Kafka listener")]
    Http,
    /// The other end wants TLS, and refuses plaintext with an alert.
    #[error("a TLS alert: the listener wants TLS, this connection is plaintext")]
    TlsAlert,
    /// The other end wants TLS, and begins to shake hands.
    #[error("a TLS handshake: the listener wants TLS, this connection is plaintext")]
    TlsHandshake,
    /// Nothing was asked.
    #[error("an answer where nothing was asked")]
    Unsolicited,
}

/// Reads the four bytes in front of an answer: how many bytes follow. It is a claim: no memory should be taken by it
/// before the bytes arrive.
///
/// What other services send first reads as a length far beyond every bound: a TLS alert as 352 MB (KAFKA-4090), `HTTP` as
/// 1.2 GB. They are named only beyond `max`, so that no honest answer is ever taken for one.
///
/// # Errors
/// The length is less than a correlation id takes, or more than `max`.
pub fn frame_length(prefix: [u8; 4], max: usize) -> Result<usize, FrameError> {
    let len = i32::from_be_bytes(prefix);
    let Some(claimed) = usize::try_from(len).ok().filter(|claimed| *claimed >= CORRELATION_ID_LEN) else {
        return Err(FrameError::TooShort { len });
    };
    if claimed <= max {
        return Ok(claimed);
    }
    Err(match prefix {
        [b'H', b'T', b'T', b'P'] => FrameError::Http,
        // RFC 8446, section 5.1: content type, then a legacy version of 3.0 to 3.4, then a length.
        [TLS_ALERT, 3, 0..=4, _] => FrameError::TlsAlert,
        [TLS_HANDSHAKE, 3, 0..=4, _] => FrameError::TlsHandshake,
        _ => FrameError::TooLong { len: claimed, max },
    })
}

const CORRELATION_ID_LEN: usize = 4;
const TLS_ALERT: u8 = 0x15;
const TLS_HANDSHAKE: u8 = 0x16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_believed_up_to_the_bound_only() {
        let table: &[(i32, Result<usize, FrameError>)] = &[
            (i32::MIN, Err(FrameError::TooShort { len: i32::MIN })),
            (-1, Err(FrameError::TooShort { len: -1 })),
            (0, Err(FrameError::TooShort { len: 0 })),
            (3, Err(FrameError::TooShort { len: 3 })),
            (4, Ok(4)),
            (1000, Ok(1000)),
            (1001, Err(FrameError::TooLong { len: 1001, max: 1000 })),
            (i32::MAX, Err(FrameError::TooLong { len: i32::MAX as usize, max: 1000 })),
        ];
        for (len, expected) in table {
            assert_eq!(frame_length(len.to_be_bytes(), 1000), *expected, "{len}");
        }
    }

    #[test]
    fn other_protocols_are_named() {
        for max in [64 << 10, 100 << 20] {
            assert_eq!(frame_length(*b"HTTP", max), Err(FrameError::Http));
            assert_eq!(frame_length([0x15, 3, 3, 0], max), Err(FrameError::TlsAlert));
            assert_eq!(frame_length([0x15, 3, 1, 0], max), Err(FrameError::TlsAlert));
            assert_eq!(frame_length([0x16, 3, 1, 2], max), Err(FrameError::TlsHandshake));
        }
        assert!(matches!(frame_length(*b"SSH-", 64 << 10), Err(FrameError::TooLong { .. })));
    }

    #[test]
    fn an_honest_answer_is_never_taken_for_a_tls_alert() {
        let len = 0x1503_0300;
        assert_eq!(frame_length(i32::to_be_bytes(len), 1 << 30), Ok(len as usize));
    }
}
