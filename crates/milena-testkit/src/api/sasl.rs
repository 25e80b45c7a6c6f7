//! SaslHandshake (17), versions 0 and 1, and SaslAuthenticate (36), versions 0 to 2.
//!
//! Java: `SaslServerAuthenticator`. Kept: a listener with users answers nothing but ApiVersions before a client has authenticated,
//! and closes the connection of one that asks; an unknown mechanism is answered with those there are; a failed attempt with
//! SASL_AUTHENTICATION_FAILED, whose sentence does not say whether it was the name or the password, and the connection is
//! closed; on a listener without users both are ILLEGAL_SASL_STATE. PLAIN, and SCRAM with either hash. Not kept: handshake 0's
//! tokens without a header.

use std::collections::BTreeMap;

use kafka_protocol::messages::{
    ApiKey, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::scram::{Challenge, Hash};
use crate::ctx::{ConnId, Ctx, Reply, World};
use crate::error_code::ErrorCode;

/// How far connections have come.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    conns: BTreeMap<ConnId, Login>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Login {
    /// A mechanism is agreed on.
    Handshaken(Mechanism),
    /// Half way through.
    Challenged(Mechanism, Challenge),
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    Plain,
    Scram(Hash),
}

impl Mechanism {
    const ALL: [(&str, Self); 3] = [
        ("PLAIN", Self::Plain),
        ("SCRAM-SHA-256", Self::Scram(Hash::Sha256)),
        ("SCRAM-SHA-512", Self::Scram(Hash::Sha512)),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(known, mechanism)| (known == name).then_some(mechanism))
    }

    /// What Java's brokers say to whom they do not let in.
    fn refusal(self) -> &'static str {
        match self {
            Self::Plain => "Authentication failed: Invalid username or password",
            Self::Scram(Hash::Sha256) => {
                "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256"
            }
            Self::Scram(Hash::Sha512) => {
                "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512"
            }
        }
    }
}

impl Logins {
    pub(crate) fn forget(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
    }
}

/// Whether a connection has to authenticate before it may ask this.
pub(crate) fn must_authenticate(world: &World, conn: ConnId, api: ApiKey) -> bool {
    !world.cluster.settings.sasl_users.is_empty()
        && world.data.logins.conns.get(&conn) != Some(&Login::Done)
        && !matches!(api, ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate)
}

pub(crate) mod handshake {
    use super::{Ctx, ErrorCode, Login, Mechanism, Reply, SaslHandshakeRequest, SaslHandshakeResponse, text};

    pub(crate) fn handle(
        ctx: &mut Ctx<'_>,
        request: SaslHandshakeRequest,
        _version: i16,
    ) -> Reply<SaslHandshakeResponse> {
        let answer = SaslHandshakeResponse::default();
        if ctx.cluster.settings.sasl_users.is_empty() {
            return Reply::Now(answer.with_error_code(ErrorCode::ILLEGAL_SASL_STATE.0));
        }
        let answer = answer.with_mechanisms(Mechanism::ALL.iter().map(|(name, _)| text(name)).collect());
        let Some(mechanism) = Mechanism::named(&request.mechanism) else {
            return Reply::Now(answer.with_error_code(ErrorCode::UNSUPPORTED_SASL_MECHANISM.0));
        };
        let conn = ctx.conn;
        ctx.data.logins.conns.insert(conn, Login::Handshaken(mechanism));
        Reply::Now(answer)
    }
}

pub(crate) mod authenticate {
    use super::{
        Challenge, Ctx, ErrorCode, Login, Mechanism, Reply, SaslAuthenticateRequest,
        SaslAuthenticateResponse, plain, text,
    };

    pub(crate) fn handle(
        ctx: &mut Ctx<'_>,
        request: SaslAuthenticateRequest,
        _version: i16,
    ) -> Reply<SaslAuthenticateResponse> {
        let conn = ctx.conn;
        let failed = |code: ErrorCode, why: &str| {
            let answer = SaslAuthenticateResponse::default().with_error_code(code.0);
            Reply::Now(answer.with_error_message(Some(text(why))))
        };
        let login = ctx.data.logins.conns.remove(&conn);
        let users = &ctx.cluster.settings.sasl_users;
        let password = |user: &str| users.get(user).cloned();
        let token = &request.auth_bytes;
        let (mechanism, step) = match login {
            Some(Login::Handshaken(mechanism @ Mechanism::Plain)) => {
                let is_right =
                    plain(token).is_some_and(|(user, given)| password(user).as_deref() == Some(given));
                (mechanism, is_right.then(|| (Login::Done, String::new())))
            }
            Some(Login::Handshaken(mechanism @ Mechanism::Scram(hash))) => {
                let begun = Challenge::begin(hash, token, password);
                (mechanism, begun.map(|(challenge, said)| (Login::Challenged(mechanism, challenge), said)))
            }
            Some(Login::Challenged(mechanism, challenge)) => {
                (mechanism, challenge.end(token).map(|said| (Login::Done, said)))
            }
            other => {
                ctx.data.logins.conns.extend(other.map(|login| (conn, login)));
                return failed(
                    ErrorCode::ILLEGAL_SASL_STATE,
                    "SaslAuthenticate request received after successful authentication",
                );
            }
        };
        let Some((login, said)) = step else {
            return failed(ErrorCode::SASL_AUTHENTICATION_FAILED, mechanism.refusal());
        };
        ctx.data.logins.conns.insert(conn, login);
        Reply::Now(SaslAuthenticateResponse::default().with_auth_bytes(said.into_bytes().into()))
    }
}

/// RFC 4616: authorization identity, name and password, with a zero byte between.
fn plain(token: &[u8]) -> Option<(&str, &str)> {
    let mut parts = std::str::from_utf8(token).ok()?.split('\0');
    let (authorization, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    let is_well_formed = parts.next().is_none() && (authorization.is_empty() || authorization == user);
    is_well_formed.then_some((user, password))
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
