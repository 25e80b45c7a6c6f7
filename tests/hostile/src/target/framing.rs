//! A client that connects to bytes: what it makes of them must not depend on how they are cut up on their way.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use client::config::ClientConfig;
use client::{Client, Connect, Connecting, Io};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::take::Take;

/// The first bytes say where the rest is cut; the rest is what the other end answers to everything.
pub(super) fn pieces(input: &[u8]) {
    let mut take = Take::new(input);
    let cuts: Vec<usize> = take.bytes(16).iter().map(|cut| usize::from(*cut)).collect();
    let mut bytes = take.rest();
    // What comes behind the one answer that was asked for is seen if it comes with it, and not if it comes later.
    if let Some(prefix) = bytes.first_chunk() {
        let len = usize::try_from(i32::from_be_bytes(*prefix)).unwrap_or(0);
        bytes = &bytes[..bytes.len().min(len.saturating_add(4))];
    }
    let bytes: Arc<[u8]> = bytes.into();
    let whole = outcome(&bytes, &[]);
    let pieces = outcome(&bytes, &cuts);
    assert_eq!(whole, pieces, "cut at {cuts:?}");
}

/// What connecting to it comes to, in words.
fn outcome(bytes: &Arc<[u8]>, cuts: &[usize]) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime needs nothing");
    let answer = Answer { bytes: bytes.clone(), cuts: cuts.into() };
    runtime.block_on(async move {
        let half = Duration::from_millis(500);
        let config = ClientConfig::bootstrap("liar:9092")
            .expect("a name")
            .request_timeout(half)
            .api_timeout(half)
            .seed(1);
        let config = config.build().expect("a configuration");
        let connected = Client::connect_over(config, Arc::new(answer)).await;
        match connected {
            Ok(_) => "connected".to_owned(),
            Err(error) => error.to_string(),
        }
    })
}

struct Answer {
    bytes: Arc<[u8]>,
    cuts: Arc<[usize]>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

impl Connect for Answer {
    fn connect<'a>(&'a self, _host: &'a str, _port: u16) -> Connecting<'a> {
        let (ours, mut theirs) = tokio::io::duplex(64 << 10);
        let (bytes, cuts) = (self.bytes.clone(), self.cuts.clone());
        tokio::spawn(async move {
            let mut request = [0; 1024];
            // Nobody answers before he is asked.
            if theirs.read(&mut request).await.unwrap_or(0) == 0 {
                return;
            }
            let mut rest = &bytes[..];
            for cut in cuts.iter() {
                let (piece, left) = rest.split_at((*cut).min(rest.len()));
                rest = left;
                if theirs.write_all(piece).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let _ = theirs.write_all(rest).await;
        });
        Box::pin(async move { Ok(Box::new(ours) as Box<dyn Io>) })
    }
}
