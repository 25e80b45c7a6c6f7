//! Ports that stay ours, also while the process that listens there is down.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cache;
use crate::error::{Error, Result};

/// Below the range from which Linux takes ports for outgoing connections (32768 and up): a port that the kernel hands
/// out when asked for port 0 may be another connection's source port by the time a JVM has started, or while a killed
/// node is down.
const FIRST: u32 = 15_000;
const LAST: u32 = 30_000;

/// A port on the loopback that no other test takes while this lives.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    // The lock on the cache's file for this port; released with the process that holds it.
    _lock: File,
}

/// The next free port, starting at a place that differs from process to process.
pub(crate) fn free() -> Result<Port> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = process::id().wrapping_mul(37);
    for _ in FIRST..LAST {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let number = (FIRST + start.wrapping_add(step) % (LAST - FIRST)) as u16;
        let Some(lock) = cache::try_lock(&format!("ports/{number}"))? else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
            return Ok(Port { number, _lock: lock });
        }
    }
    Err(Error::new(format!("no port between {FIRST} and {LAST} is free")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_port_is_given_twice_while_it_is_held() {
        let ports: Vec<Port> = (0..50).map(|_| free().unwrap()).collect();
        let numbers: BTreeSet<u16> = ports.iter().map(|port| port.number).collect();
        assert_eq!(numbers.len(), 50);
        assert!(cache::try_lock(&format!("ports/{}", ports[0].number)).unwrap().is_none());
    }
}
