//! SaslHandshake (17), versions 0 and 1, and SaslAuthenticate (36), versions 0 to 2.
//!
//! Java: `SaslServerAuthenticator`. Kept: a listener with users answers nothing but ApiVersions before a client has authenticated,
//! and closes the connection of one that asks; an unknown mechanism is answered with those there are; a failed attempt with
//! SASL_AUTHENTICATION_FAILED, whose sentence does not say whether it was the name or the password, and the connection is
//! closed; on a listener without users both are ILLEGAL_SASL_STATE. PLAIN only. Not kept: handshake 0's tokens without a header.

use std::collections::BTreeMap;

use kafka_protocol::messages::{
    ApiKey, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use kafka_protocol::protocol::StrBytes;

use crate::ctx::{ConnId, Ctx, Reply, World};
use crate::error_code::ErrorCode;

/// How far connections have come.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    conns: BTreeMap<ConnId, Login>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Login {
    /// A mechanism is agreed on.
    Handshaken,
    Done,
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
    use super::{
        Ctx, ErrorCode, Login, MECHANISMS, Reply, SaslHandshakeRequest, SaslHandshakeResponse, text,
    };

    pub(crate) fn handle(
        ctx: &mut Ctx<'_>,
        request: SaslHandshakeRequest,
        _version: i16,
    ) -> Reply<SaslHandshakeResponse> {
        let answer = SaslHandshakeResponse::default();
        if ctx.cluster.settings.sasl_users.is_empty() {
            return Reply::Now(answer.with_error_code(ErrorCode::ILLEGAL_SASL_STATE.0));
        }
        let answer = answer.with_mechanisms(MECHANISMS.iter().map(|name| text(name)).collect());
        if !MECHANISMS.contains(&&*request.mechanism) {
            return Reply::Now(answer.with_error_code(ErrorCode::UNSUPPORTED_SASL_MECHANISM.0));
        }
        let conn = ctx.conn;
        ctx.data.logins.conns.insert(conn, Login::Handshaken);
        Reply::Now(answer)
    }
}

pub(crate) mod authenticate {
    use super::{
        Ctx, ErrorCode, Login, Reply, SaslAuthenticateRequest, SaslAuthenticateResponse, plain, text,
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
        if ctx.data.logins.conns.get(&conn) != Some(&Login::Handshaken) {
            return failed(
                ErrorCode::ILLEGAL_SASL_STATE,
                "SaslAuthenticate request received after successful authentication",
            );
        }
        let users = &ctx.cluster.settings.sasl_users;
        let is_right = plain(&request.auth_bytes)
            .is_some_and(|(user, password)| users.get(user).is_some_and(|expected| expected == password));
        if !is_right {
            ctx.data.logins.forget(conn);
            return failed(
                ErrorCode::SASL_AUTHENTICATION_FAILED,
                "Authentication failed: Invalid username or password",
            );
        }
        ctx.data.logins.conns.insert(conn, Login::Done);
        Reply::Now(SaslAuthenticateResponse::default())
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

const MECHANISMS: [&str; 1] = ["PLAIN"];
