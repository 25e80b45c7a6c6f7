//! Answers of real brokers as inputs of the response targets.

use proto::wire::{ApiKey, split_response};

use super::responses::families;

/// Inputs for a family of responses: which way to read, and a body.
pub(crate) fn of(target: &str, conversations: &[(i16, i16, Vec<u8>)]) -> Vec<Vec<u8>> {
    let Some((_, ways)) = families().into_iter().find(|(family, _)| *family == target) else {
        return Vec::new();
    };
    let mut seeds = Vec::new();
    for (api, version, frame) in conversations {
        let way = ways.iter().position(|(key, known, _)| key.0 == *api && known == version);
        let Some(way) = way else { continue };
        let Ok((_, body)) = split_response(ApiKey(*api), *version, frame.clone().into()) else { continue };
        let way = u8::try_from(way).expect("at most 256");
        seeds.push([&[way], &body[..]].concat());
    }
    seeds
}
