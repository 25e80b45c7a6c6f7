//! What nobody gets below: reading memory, copying it, checking it, draining a socket.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use crate::micro::{Bench, look};

pub(super) fn run(bench: &mut Bench<'_>) {
    for (name, bytes) in [("64 KiB, in the cache", 64 << 10), ("256 MiB, from memory", 256 << 20)] {
        let from: Vec<u8> = (0..bytes).map(|at| at as u8).collect();
        let mut to = vec![0; bytes];
        bench.time(format!("bound: read {name}"), 1, "pass", bytes, || look(sum(&from)));
        bench.time(format!("bound: copy {name}"), 1, "pass", bytes, || to.copy_from_slice(&from));
        look(&to);
        bench.time(format!("crc32c {name}"), 1, "pass", bytes, || look(crc32c::crc32c(&from)));
    }
    drain(bench);
}

fn sum(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(0, |sum: u64, word| sum.wrapping_add(u64::from_ne_bytes(*word)))
}

/// From a socket of the loopback into one buffer, used again and again: the wall clock, and the CPU time of the thread that reads.
fn drain(bench: &mut Bench<'_>) {
    const WHAT: &str = "bound: drain a socket";
    const BYTES: usize = 4 << 30;
    if !bench.wants(WHAT) {
        return;
    }
    let read = || -> std::io::Result<(std::time::Duration, std::time::Duration)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let writer = thread::spawn(move || -> std::io::Result<()> {
            let (mut stream, _) = listener.accept()?;
            let block = vec![7; 1 << 20];
            for _ in 0..BYTES >> 20 {
                stream.write_all(&block)?;
            }
            Ok(())
        });
        let mut stream = TcpStream::connect(address)?;
        let mut buffer = vec![0; 1 << 20];
        let (begin, cpu) = (Instant::now(), thread_cpu());
        let mut left = BYTES;
        while left > 0 {
            let room = buffer.len().min(left);
            match stream.read(&mut buffer[..room])? {
                0 => break,
                some => left -= some,
            }
        }
        let took = (begin.elapsed(), thread_cpu() - cpu);
        let _ = writer.join();
        Ok(took)
    };
    if let Ok((wall, cpu)) = read() {
        bench.push(WHAT.to_owned(), BYTES >> 20, "MiB", BYTES, wall);
        bench.push(format!("{WHAT}, CPU of the reader alone"), BYTES >> 20, "MiB", BYTES, cpu);
    }
}

/// CPU time of this thread: `/proc/thread-self/schedstat` begins with it, in nanoseconds.
fn thread_cpu() -> std::time::Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    std::time::Duration::from_nanos(stat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}
