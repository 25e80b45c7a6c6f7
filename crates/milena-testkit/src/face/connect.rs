//! The in-memory face as milena-client's way to brokers.

use client::{Connect, Connecting, Io};

use crate::Cluster;

impl Connect for Cluster {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        Box::pin(async move { self.connect_to(host, port).map(|stream| Box::new(stream) as Box<dyn Io>) })
    }
}
