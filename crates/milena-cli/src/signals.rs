//! Ctrl-C and its relatives: the first asks for a clean end, the second ends the process.

use std::io;
use std::time::Duration;

use tokio::sync::watch;

use crate::failure::INTERRUPTED;

/// Tells whether somebody has asked for the end.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens from here on to SIGINT and SIGTERM.
    ///
    /// # Errors
    /// The system does not let us.
    pub(crate) fn listen() -> io::Result<Self> {
        Self::listen_for(true)
    }

    /// As [`listen`](Self::listen), for those who are sent signals by programs: the second one hurries nothing, as that a
    /// JVM gets while its shutdown hooks run.
    ///
    /// # Errors
    /// The system does not let us.
    pub(crate) fn listen_patiently() -> io::Result<Self> {
        Self::listen_for(false)
    }

    fn listen_for(second_ends: bool) -> io::Result<Self> {
        let (sender, receiver) = watch::channel(false);
        let mut signals = Signals::new()?;
        tokio::spawn(async move {
            signals.next().await;
            // Nobody may listen any more, which is fine.
            let _ = sender.send(true);
            if !second_ends {
                loop {
                    signals.next().await;
                }
            }
            // `timeout` and some shells send one signal to the process and one to its group.
            let same = tokio::time::Instant::now() + SAME;
            while tokio::time::timeout_at(same, signals.next()).await.is_ok() {}
            signals.next().await;
            // Whoever asks twice does not want to wait for brokers, or for a pipe that nobody reads.
            std::process::exit(INTERRUPTED.into());
        });
        Ok(Self(receiver))
    }

    /// Whether it has been asked for.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is asked for.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub(crate) async fn requested(&mut self) {
        if self.0.wait_for(|requested| *requested).await.is_err() {
            // The listener is gone: nobody will ask.
            std::future::pending::<()>().await;
        }
    }
}

/// Signals that come within this time are the same one.
const SAME: Duration = Duration::from_millis(300);

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
