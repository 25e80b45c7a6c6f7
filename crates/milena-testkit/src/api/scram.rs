//! SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677), the broker's side of it.
//!
//! Java: `ScramSaslServer`, `ScramFormatter`. Kept: 4096 iterations, which is what a broker hashes passwords with by default and
//! the least that clients accept; no channel binding; extensions behind the nonce are passed over. Salts and nonces follow
//! from names and from what the client sent, so that a run repeats.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use pbkdf2::pbkdf2_hmac;
use sha2::{Digest, Sha256, Sha512};

/// Which hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha512,
}

/// What is kept between the two messages of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    hash: Hash,
    nonce: String,
    /// The two messages so far, as both sides sign them.
    spoken: String,
    salted: Vec<u8>,
}

impl Challenge {
    /// Answers the client's first message, `n,,n=user,r=nonce`, with nonce, salt and iterations. `password` knows the users. `None`:
    /// it is no such message, or there is no such user.
    pub(super) fn begin(
        hash: Hash,
        first: &[u8],
        password: impl FnOnce(&str) -> Option<String>,
    ) -> Option<(Self, String)> {
        let first = std::str::from_utf8(first).ok()?;
        // GS2 header: no channel binding, maybe an authorization id.
        let (binding, rest) = first.split_once(',')?;
        let (_, bare) = rest.split_once(',')?;
        let mut parts = bare.split(',');
        let user = parts.next()?.strip_prefix("n=")?.replace("=2C", ",").replace("=3D", "=");
        let theirs = parts.next()?.strip_prefix("r=").filter(|nonce| !nonce.is_empty())?;
        if binding != "n" {
            return None;
        }
        let salt = &Sha256::digest(&user)[..16];
        let nonce = format!("{theirs}{}", STANDARD.encode(&Sha256::digest(first)[..18]));
        let challenge = format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(salt));
        let salted = hash.salted(password(&user)?.as_bytes(), salt);
        let spoken = format!("{bare},{challenge}");
        Some((Self { hash, nonce, spoken, salted }, challenge))
    }

    /// Answers the client's last message, `c=biws,r=nonce,p=proof`, with what proves that the broker knows the password as well.
    /// `None`: the client does not.
    pub(super) fn end(self, last: &[u8]) -> Option<String> {
        let last = std::str::from_utf8(last).ok()?;
        let (without_proof, proof) = last.rsplit_once(",p=")?;
        let nonce = without_proof.split(',').find_map(|part| part.strip_prefix("r="))?;
        if nonce != self.nonce || !without_proof.starts_with("c=biws,") {
            return None;
        }
        let proof = STANDARD.decode(proof).ok()?;
        let signed = format!("{},{without_proof}", self.spoken);
        let client_key = self.hash.hmac(&self.salted, b"Client Key");
        let signature = self.hash.hmac(&self.hash.digest(&client_key), signed.as_bytes());
        let expected: Vec<u8> = client_key.iter().zip(&signature).map(|(key, bits)| key ^ bits).collect();
        if proof != expected {
            return None;
        }
        let server_key = self.hash.hmac(&self.salted, b"Server Key");
        Some(format!("v={}", STANDARD.encode(self.hash.hmac(&server_key, signed.as_bytes()))))
    }
}

impl Hash {
    fn salted(self, password: &[u8], salt: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => {
                let mut salted = [0; 32];
                pbkdf2_hmac::<Sha256>(password, salt, ITERATIONS, &mut salted);
                salted.to_vec()
            }
            Self::Sha512 => {
                let mut salted = [0; 64];
                pbkdf2_hmac::<Sha512>(password, salt, ITERATIONS, &mut salted);
                salted.to_vec()
            }
        }
    }

    fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        // A key of any length is a key.
        match self {
            Self::Sha256 => Hmac::<Sha256>::new_from_slice(key)
                .map(|mac| mac.chain_update(message).finalize().into_bytes().to_vec())
                .unwrap_or_default(),
            Self::Sha512 => Hmac::<Sha512>::new_from_slice(key)
                .map(|mac| mac.chain_update(message).finalize().into_bytes().to_vec())
                .unwrap_or_default(),
        }
    }

    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

const ITERATIONS: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    /// A client by the letter of RFC 5802, but for the hash functions.
    fn proof(hash: Hash, password: &str, challenge: &str, bare: &str) -> (String, String) {
        let field = |name: &str| challenge.split(',').find_map(|part| part.strip_prefix(name)).unwrap();
        let salted = hash.salted(password.as_bytes(), &STANDARD.decode(field("s=")).unwrap());
        let without_proof = format!("c=biws,r={}", field("r="));
        let signed = format!("{bare},{challenge},{without_proof}");
        let key = hash.hmac(&salted, b"Client Key");
        let signature = hash.hmac(&hash.digest(&key), signed.as_bytes());
        let proof: Vec<u8> = key.iter().zip(signature).map(|(key, bits)| key ^ bits).collect();
        let server = hash.hmac(&hash.hmac(&salted, b"Server Key"), signed.as_bytes());
        (format!("{without_proof},p={}", STANDARD.encode(proof)), format!("v={}", STANDARD.encode(server)))
    }

    fn begin(hash: Hash, first: &str) -> Option<(Challenge, String)> {
        let password = |user: &str| (user == "a,b=c").then(|| "secret".to_owned());
        Challenge::begin(hash, first.as_bytes(), password)
    }

    #[test]
    fn who_knows_the_password_is_let_in_and_told_that_the_broker_knows_it() {
        for hash in [Hash::Sha256, Hash::Sha512] {
            let bare = "n=a=2Cb=3Dc,r=fyko";
            let (challenge, asked) = begin(hash, &format!("n,,{bare}")).unwrap();
            assert!(asked.starts_with("r=fyko") && asked.ends_with(",i=4096"), "{asked}");
            let (last, expected) = proof(hash, "secret", &asked, bare);
            assert_eq!(challenge.clone().end(last.as_bytes()), Some(expected));
            let (guess, _) = proof(hash, "guess", &asked, bare);
            assert_eq!(challenge.clone().end(guess.as_bytes()), None);
            let other = last.replace("r=fyko", "r=okyf");
            assert_eq!(challenge.end(other.as_bytes()), None, "another nonce");
        }
    }

    #[test]
    fn what_is_no_first_message_begins_nothing() {
        for first in
            ["", "n,,", "n,,n=a=2Cb=3Dc", "n,,n=a=2Cb=3Dc,r=", "y,,n=a=2Cb=3Dc,r=x", "n,,n=nobody,r=x"]
        {
            assert_eq!(begin(Hash::Sha256, first), None, "{first}");
        }
    }

    /// The example of RFC 7677, section 3.
    #[test]
    fn hashes_are_those_of_the_standard() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let salted = Hash::Sha256.salted(b"pencil", &salt);
        let signed = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                      s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
                      c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let server = Hash::Sha256.hmac(&Hash::Sha256.hmac(&salted, b"Server Key"), signed.as_bytes());
        assert_eq!(STANDARD.encode(server), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    }
}
