//! How a byte stream to a broker is opened: the seam for TCP, and later for TLS and for streams inside the process.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
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
    /// Opens one to that host and port. Names are looked up at every call: addresses change (KIP-899 and its kin). It says itself
    /// when it has waited long enough for one address; `request.timeout.ms` bounds the whole, the handshake included.
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a>;
}

/// The addresses that a [`Resolve`] finds.
pub type Resolving<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// Looks up the names of brokers.
pub trait Resolve: Send + Sync + fmt::Debug {
    /// All addresses of that host, in the order in which they are tried.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a>;
}

/// The system's own resolver.
#[derive(Clone, Copy, Debug)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolving<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// Plain TCP.
#[derive(Clone, Debug)]
pub struct Tcp {
    /// Looks names up, for every connection anew (`client.dns.lookup=use_all_dns_ips`, KIP-302).
    pub resolver: Arc<dyn Resolve>,
    /// Longest time for one address; a name may have several.
    pub timeout: Duration,
    /// `SO_RCVBUF`; `None` leaves it to the system, which tunes it by itself.
    pub receive_buffer: Option<u32>,
    /// `SO_SNDBUF`; `None` leaves it to the system.
    pub send_buffer: Option<u32>,
}

impl Default for Tcp {
    fn default() -> Self {
        Self {
            resolver: Arc::new(SystemResolver),
            timeout: crate::config::defaults::CONNECT_TIMEOUT,
            receive_buffer: None,
            send_buffer: None,
        }
    }
}

impl Connect for Tcp {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        Box::pin(async move {
            let addresses = self.resolver.resolve(host, port).await?;
            let stream = first_of(addresses, self.timeout, |address| self.connect_to(address)).await?;
            Ok(Box::new(stream) as Box<dyn Io>)
        })
    }
}

/// Tries one address after the other, each for so long.
async fn first_of<T, F: Future<Output = io::Result<T>>>(
    addresses: Vec<SocketAddr>,
    timeout: Duration,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<T> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match tokio::time::timeout(timeout, connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, format!("{address} does not answer")),
        }
    }
    Err(last)
}

impl Tcp {
    async fn connect_to(&self, address: SocketAddr) -> io::Result<TcpStream> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, last], 9092))
    }

    /// The first address is silent, the second refuses, the third is a broker, ...
    async fn dial(addresses: &[u8]) -> io::Result<u8> {
        let addresses = addresses.iter().copied().map(address).collect();
        first_of(addresses, Duration::from_secs(10), |address| async move {
            match address.ip().to_string().as_str() {
                "127.0.0.1" => std::future::pending().await,
                "127.0.0.2" => Err(io::ErrorKind::ConnectionRefused.into()),
                _ => Ok(3),
            }
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn every_address_of_a_name_has_its_time() {
        let start = tokio::time::Instant::now();
        assert_eq!(dial(&[1, 2, 3]).await.unwrap(), 3);
        assert_eq!(start.elapsed().as_secs(), 10, "a silent one is waited for, and no more");
        assert_eq!(dial(&[2, 1]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(dial(&[2]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(dial(&[]).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
