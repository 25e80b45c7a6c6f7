//! Frames that are none: lengths, cuts, correlation ids, other protocols, noise.

use testkit::ApiKey;

use crate::case::{Case, Lie};
use crate::forge::Forge;
use crate::table::{APIS, liar};

/// The lie, and whether it can be told from the truth.
const FORGES: [(&str, Forge, bool); 29] = [
    ("length 0", Forge::Length(0), true),
    ("length 3", Forge::Length(3), true),
    ("length -1", Forge::Length(-1), true),
    ("length min", Forge::Length(i32::MIN), true),
    ("length max", Forge::Length(i32::MAX), true),
    ("length 99 MiB", Forge::Length(LARGE), true),
    ("length one too small", Forge::LengthBy(-1), true),
    ("length one too large", Forge::LengthBy(1), true),
    ("cut before the length", Forge::Cut(0), true),
    ("cut early", Forge::Cut(200), true),
    ("cut in the middle", Forge::Cut(500), true),
    ("cut late", Forge::Cut(950), true),
    ("silence", Forge::Hang(0), true),
    ("silence after half of it", Forge::Hang(500), true),
    ("the next correlation id", Forge::Correlation(1), true),
    ("the last correlation id", Forge::Correlation(-1), true),
    ("another correlation id", Forge::Correlation(i32::MAX), true),
    ("twice", Forge::Twice, false),
    ("held back", Forge::Held, false),
    ("HTTP", Forge::Instead(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), true),
    ("TLS alert", Forge::Instead(&[0x15, 3, 3, 0, 2, 2, 10]), true),
    ("TLS handshake", Forge::Instead(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]), true),
    ("SSH", Forge::Instead(b"SSH-2.0-OpenSSH_9.6\r\n"), true),
    ("no body", Forge::Shorten(0), true),
    ("half a body", Forge::Shorten(500), true),
    ("a byte too many", Forge::Lengthen(&[0]), true),
    ("a body of zeros", Forge::Fill(0), false),
    ("a body of 0xff", Forge::Fill(0xff), true),
    ("a body of noise", Forge::Noise(300), false),
];

/// Whether the client tells by an event or an error, within the four seconds that the lie lasts, that it goes wrong. What a
/// producer tries again is told with the record's outcome, if it comes to that, and until then in the log only; so is
/// metadata that does not come while what is known will do. Of a SyncGroup that is not answered the JoinGroup behind it is told.
fn tells(api: ApiKey, forge: Forge) -> bool {
    let is_silence = matches!(forge, Forge::Hang(_) | Forge::LengthBy(1..) | Forge::Length(LARGE));
    match api {
        ApiKey::Produce | ApiKey::InitProducerId => false,
        ApiKey::Metadata | ApiKey::SyncGroup | ApiKey::FindCoordinator => !is_silence,
        _ => true,
    }
}

/// Below every bound, so that it is waited for.
const LARGE: i32 = 99 << 20;

pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for api in APIS {
        for (name, forge, must_tell) in FORGES {
            let must_tell = must_tell && tells(api, forge);
            let name = format!("{api:?}: {name}");
            cases.push(Case { name, api, broker: liar(api), lie: Lie::Frame(forge), must_tell });
        }
        for every in [2, 7, 31] {
            let name = format!("{api:?}: every byte of {every} flipped");
            let lie = Lie::Frame(Forge::Flip(every));
            cases.push(Case { name, api, broker: liar(api), lie, must_tell: false });
        }
    }
    cases
}
