//! Whoever reads our output: a pipe tells when nobody does any more, also while there is nothing to write.

/// The other end of standard output.
#[cfg(unix)]
pub(crate) struct Reader(Option<tokio::net::unix::pipe::Sender>);

#[cfg(unix)]
impl Reader {
    /// Watches it, where that can be done: it is a pipe. Must be called in a runtime.
    pub(crate) fn watch() -> Self {
        use std::os::fd::AsFd;
        use std::os::unix::fs::FileTypeExt;
        use tokio::net::unix::pipe::Sender;

        let open = || {
            let file = std::fs::File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
            match file.metadata()?.file_type().is_fifo() {
                // Unchecked: it may be blocking, because nothing is written by this one.
                true => Sender::from_file_unchecked(file).map(Some),
                false => Ok(None),
            }
        };
        // A system that cannot watch it finds out when it writes.
        let opened: std::io::Result<_> = open();
        Self(opened.unwrap_or_default())
    }

    /// Waits until it has gone; for ever where that cannot be told.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub(crate) async fn gone(&self) {
        if let Some(out) = &self.0
            && out.ready(tokio::io::Interest::ERROR).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}

/// The other end of standard output.
#[cfg(not(unix))]
pub(crate) struct Reader;

#[cfg(not(unix))]
impl Reader {
    /// Cannot be watched here.
    pub(crate) fn watch() -> Self {
        Self
    }

    /// Waits for ever.
    pub(crate) async fn gone(&self) {
        std::future::pending().await
    }
}
