//! Where a broker listens.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::error::{ConfigError, shortened};

/// A host name or address and a port: one entry of `bootstrap.servers`.
///
/// Only the form is checked here; names are resolved at every dial, because addresses behind a name change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// Takes a host and a port that are already apart. An IPv6 address comes without brackets.
    ///
    /// # Errors
    /// [`HostPortError::BadHost`] if `host` is neither a name nor an address, [`HostPortError::BadPort`] if `port` is 0.
    pub fn new(host: &str, port: u16) -> Result<Self, HostPortError> {
        let named = !host.is_empty()
            && host.len() <= HOST_LEN_MAX
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        if !named && !is_v6(host) {
            return Err(HostPortError::BadHost);
        }
        if port == 0 {
            return Err(HostPortError::BadPort);
        }
        Ok(Self { host: host.to_owned(), port })
    }

    /// Parses a list separated by commas, as `bootstrap.servers` holds it. Spaces around entries are dropped.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] if the list is empty, [`ConfigError::Server`] for the first entry that is not a host and
    /// a port. An empty entry is one (Java 4.x refuses it too).
    pub fn parse_list(list: &str) -> Result<Vec<Self>, ConfigError> {
        if list.trim().is_empty() {
            return Err(ConfigError::Missing { key: "bootstrap.servers", why: NO_SERVERS });
        }
        list.split(',').map(str::parse).collect()
    }

    /// The name, or the address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, never 0.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for HostPort {
    type Err = ConfigError;

    /// Parses `host:port` or `[v6]:port`. A leading `PLAINTEXT://` is accepted, as in a broker's `listeners`.
    fn from_str(entry: &str) -> Result<Self, ConfigError> {
        let entry = entry.trim();
        parse(entry).map_err(|reason| ConfigError::Server { entry: without_user(entry), reason })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// What is wrong with an entry of `bootstrap.servers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostPortError {
    /// Nothing stands between two commas.
    #[error("the entry is empty")]
    Empty,
    /// There is no `:port`. Kafka has no default port.
    #[error("no port: `host:port` is needed")]
    NoPort,
    /// The port is not a number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    BadPort,
    /// The host is neither a name nor an IPv4 or IPv6 address.
    #[error("the host is neither a name nor an address")]
    BadHost,
    /// An IPv6 address without brackets: where it ends and the port begins is a guess.
    #[error("an IPv6 address needs brackets: `[::1]:9092`")]
    BareV6,
    /// A scheme other than `PLAINTEXT://`.
    #[error("the protocol is chosen by security.protocol, not by a scheme")]
    Scheme,
}

fn parse(entry: &str) -> Result<HostPort, HostPortError> {
    if entry.is_empty() {
        return Err(HostPortError::Empty);
    }
    let address = match entry.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("plaintext") => rest,
        Some(_) => return Err(HostPortError::Scheme),
        None => entry,
    };
    if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(HostPortError::BadHost)?;
        let port = rest.strip_prefix(':').ok_or(HostPortError::NoPort)?;
        if !is_v6(host) {
            return Err(HostPortError::BadHost);
        }
        return HostPort::new(host, parse_port(port)?);
    }
    let (host, port) = address.rsplit_once(':').ok_or(HostPortError::NoPort)?;
    if host.contains(':') && !host.contains('@') {
        return Err(HostPortError::BareV6);
    }
    HostPort::new(host, parse_port(port)?)
}

/// `u16::from_str` takes a sign; a port has none.
fn parse_port(port: &str) -> Result<u16, HostPortError> {
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(HostPortError::BadPort);
    }
    port.parse().map_err(|_| HostPortError::BadPort)
}

/// An address, perhaps with a zone: `fe80::1%eth0`.
fn is_v6(host: &str) -> bool {
    let (address, zone) = host.split_once('%').unwrap_or((host, "0"));
    let zone_is_plain = !zone.is_empty()
        && zone.len() <= ZONE_LEN_MAX
        && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    address.parse::<Ipv6Addr>().is_ok() && zone_is_plain
}

/// Kafka takes no user information in an address, but people write it, and then it must not be repeated in a log.
fn without_user(entry: &str) -> String {
    match entry.rsplit_once('@') {
        Some((_, rest)) => shortened(&format!("***@{rest}")),
        None => shortened(entry),
    }
}

pub(super) const NO_SERVERS: &str = "at least one broker to ask for the others";

/// RFC 1035, without the trailing dot.
const HOST_LEN_MAX: usize = 255;
const ZONE_LEN_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(entry: &str) -> HostPortError {
        match entry.parse::<HostPort>() {
            Err(ConfigError::Server { reason, .. }) => reason,
            other => panic!("`{entry}` gave {other:?}"),
        }
    }

    #[test]
    fn hosts_addresses_and_spaces_are_taken() {
        let list = HostPort::parse_list(" kafka-1.example_x:9092 , 10.0.0.1:1,[::1]:65535 ,PLAINTEXT://b:9 ")
            .unwrap();
        let shown: Vec<String> = list.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["kafka-1.example_x:9092", "10.0.0.1:1", "[::1]:65535", "b:9"]);
        assert_eq!((list[2].host(), list[2].port()), ("::1", 65535));
        assert_eq!("[fe80::1%eth0]:9092".parse::<HostPort>().unwrap().host(), "fe80::1%eth0");
    }

    #[test]
    fn what_is_shown_parses_back() {
        for entry in ["a:1", "[::1]:9092", "[fe80::1%2]:1"] {
            assert_eq!(entry.parse::<HostPort>().unwrap().to_string(), entry);
        }
    }

    #[test]
    fn every_kind_of_mistake_has_its_reason() {
        for (entry, expected) in [
            ("", HostPortError::Empty),
            ("localhost", HostPortError::NoPort),
            ("[::1]", HostPortError::NoPort),
            ("[::1]9092", HostPortError::NoPort),
            ("a:", HostPortError::BadPort),
            ("a:0", HostPortError::BadPort),
            ("a:65536", HostPortError::BadPort),
            ("a:+1", HostPortError::BadPort),
            ("a:9092/", HostPortError::BadPort),
            (":9092", HostPortError::BadHost),
            ("a b:9092", HostPortError::BadHost),
            ("bücher:9092", HostPortError::BadHost),
            ("[::1:9092", HostPortError::BadHost),
            ("[localhost]:9092", HostPortError::BadHost),
            ("[fe80::1%]:9092", HostPortError::BadHost),
            ("::1:9092", HostPortError::BareV6),
            ("http://a:9092", HostPortError::Scheme),
            ("SSL://a:9092", HostPortError::Scheme),
        ] {
            assert_eq!(reason(entry), expected, "{entry}");
        }
        assert_eq!(HostPort::new(&"a".repeat(256), 1), Err(HostPortError::BadHost));
    }

    #[test]
    fn the_error_names_the_entry_among_several() {
        let error = HostPort::parse_list("a:1, b ,c:3").unwrap_err();
        assert_eq!(error.to_string(), "bootstrap.servers: `b`: no port: `host:port` is needed");
        assert!(matches!(
            HostPort::parse_list(" "),
            Err(ConfigError::Missing { key: "bootstrap.servers", .. })
        ));
        assert!(matches!(
            HostPort::parse_list("a:1,"),
            Err(ConfigError::Server { reason: HostPortError::Empty, .. })
        ));
    }

    #[test]
    fn user_information_is_not_repeated() {
        let error = HostPort::parse_list("joe:hunter2@a:9092").unwrap_err();
        assert_eq!(
            error.to_string(),
            "bootstrap.servers: `***@a:9092`: the host is neither a name nor an address"
        );
    }
}
