//! How a byte stream to a broker is opened: the seam for TCP, and later for TLS and for streams inside the process.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};

/// A byte stream to a broker.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A future that a [`Connect`] returns.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send + 'a>>;

/// Opens byte streams to brokers.
pub trait Connect: Send + Sync + fmt::Debug {
    /// Opens one to that host and port. Names are looked up at every call: addresses change (KIP-899 and its kin).
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a>;
}

/// Plain TCP.
#[derive(Clone, Debug)]
pub struct Tcp {
    /// Longest time for one address; a name may have several.
    pub timeout: Duration,
    /// `SO_RCVBUF`; `None` leaves it to the system, which tunes it by itself.
    pub receive_buffer: Option<u32>,
    /// `SO_SNDBUF`; `None` leaves it to the system.
    pub send_buffer: Option<u32>,
}

impl Connect for Tcp {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        Box::pin(async move {
            let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            for address in tokio::net::lookup_host((host, port)).await? {
                match tokio::time::timeout(self.timeout, self.connect_to(address)).await {
                    Ok(Ok(stream)) => return Ok(Box::new(stream) as Box<dyn Io>),
                    Ok(Err(error)) => last = error,
                    Err(_) => {
                        last = io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer"))
                    }
                }
            }
            Err(last)
        })
    }
}

impl Tcp {
    async fn connect_to(&self, address: std::net::SocketAddr) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        socket.set_keepalive(true)?;
        let stream = socket.connect(address).await?;
        // Requests are small and written whole: waiting for more of them only adds delay.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
