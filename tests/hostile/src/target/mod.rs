//! The fuzz targets: for each a plain function that takes bytes and panics where something does not hold.

mod codecs;
mod connection;
mod fetch;
mod framing;
mod group;
mod records;
mod responses;
mod round_trip;
pub(crate) mod seeds;

pub use codecs::DECOMPRESSED_MAX;

/// Something to fuzz.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of its corpus and of its binary in `fuzz/`.
    pub name: &'static str,
    /// What it looks at, in a few words.
    pub what: &'static str,
    /// Panics where something does not hold.
    pub check: fn(&[u8]),
    /// What one input may decompress to, in bytes.
    pub decompressed_max: usize,
}

/// All targets.
pub const ALL: [Target; 16] = [
    target("fetch_response", "Fetch 4 to 18", responses::fetch),
    target("produce_response", "Produce, InitProducerId: every version", responses::produce),
    target("metadata_response", "Metadata, ApiVersions, FindCoordinator: every version", responses::metadata),
    target(
        "offsets_response",
        "ListOffsets, OffsetForLeaderEpoch, OffsetCommit, OffsetFetch: every version",
        responses::offsets,
    ),
    target("group_response", "the group's protocol: every version", responses::group),
    target("admin_response", "what administrators ask: every version", responses::admin),
    inflating("record_batch", "a batch of any magic and codec: fast decoder == naive twin", records::batch),
    inflating("record_section", "records under a true header, in any codec: fast == naive", records::section),
    inflating("codec_stream", "compressed bytes of each codec, as magic 0, 1 and 2", codecs::stream),
    inflating("lz4_block", "our LZ4 block decoder == lz4_flex", codecs::lz4_block),
    target("header_walk", "the walk over headers == a naive one", records::walk),
    target("consumer_protocol", "subscriptions and assignments, and assigning by them", group::protocol),
    target("connection", "which answer belongs to which request", connection::machine),
    target("framing", "a client's connection: bytes in pieces == bytes as a whole", framing::pieces),
    target("fetch_session", "the fetch session and the judge of its answers", fetch::session),
    inflating("round_trip", "decode(encode(x)) = x: batches, message sets, group metadata", round_trip::all),
];

const fn target(name: &'static str, what: &'static str, check: fn(&[u8])) -> Target {
    Target { name, what, check, decompressed_max: 0 }
}

const fn inflating(name: &'static str, what: &'static str, check: fn(&[u8])) -> Target {
    Target { name, what, check, decompressed_max: DECOMPRESSED_MAX }
}

/// The target of that name.
pub fn find(name: &str) -> Option<&'static Target> {
    ALL.iter().find(|target| target.name == name)
}
