//! Connections: opening them, and the two ways of using one.
//!
//! A [`Link`] carries one request at a time and hands out the frame it read: fetching is that. A [`Lane`] is a task
//! around a link that pipelines requests from many callers: everything else is that. Both let
//! `proto::connection::Connection` decide which answer belongs to which request.

mod connect;
mod lane;
mod link;

pub use connect::{Connect, Connecting, Io, Resolve, Resolving, SystemResolver, Tcp};
pub(crate) use lane::{Guard, Lane, as_call_failed};
pub(crate) use link::{Link, Traffic, decode};

use std::sync::Arc;
use std::time::Duration;

use crate::buffer::BufferPool;

/// What every connection of one client shares.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    pub(crate) connect: Arc<dyn Connect>,
    pub(crate) client_id: Arc<str>,
    pub(crate) request_timeout: Duration,
    pub(crate) pool: BufferPool,
    pub(crate) traffic: Arc<Traffic>,
}
