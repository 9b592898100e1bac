//! Metadata session tokens and the instance profile's credentials.

use std::time::Duration;

use crate::clock::SimTime;
use crate::secrets;

/// What proves who an instance is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    pub(crate) role: Option<String>,
    pub(crate) lifetime: Duration,
    pub(crate) max_token_ttl: Option<Duration>,
    tokens: Vec<(String, SimTime)>,
    issued: Vec<Credentials>,
}

/// Temporary credentials that the metadata service handed out.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: String,
    pub(crate) updated: SimTime,
    pub(crate) expires: SimTime,
}

impl Identity {
    pub(crate) fn new(
        role: Option<String>,
        lifetime: Duration,
        max_token_ttl: Option<Duration>,
    ) -> Self {
        Self {
            role,
            lifetime,
            max_token_ttl,
            ..Self::default()
        }
    }

    pub(crate) fn issue_token(&mut self, number: u64, ttl: Duration, now: SimTime) -> String {
        let ttl = self.max_token_ttl.map_or(ttl, |most| most.min(ttl));
        self.tokens.retain(|(_, expires)| *expires > now);
        let token = secrets::imds_token(number);
        self.tokens.push((token.clone(), now + ttl));
        token
    }

    pub(crate) fn token_is_valid(&self, token: &str, now: SimTime) -> bool {
        self.tokens
            .iter()
            .any(|(known, expires)| known == token && *expires > now)
    }

    pub(crate) fn revoke_tokens(&mut self) {
        self.tokens.clear();
    }

    /// The present credentials: new ones once the last are within a quarter of their lifetime
    /// (five minutes at most) of their end.
    pub(crate) fn credentials(&mut self, number: u64, now: SimTime) -> Credentials {
        let margin = (self.lifetime / 4).min(Duration::from_secs(300));
        if let Some(last) = self.issued.last().filter(|c| c.expires > now + margin) {
            return last.clone();
        }
        let fresh = Credentials {
            access_key_id: secrets::access_key_id(number),
            secret_access_key: secrets::secret_access_key(number),
            session_token: secrets::session_token(number),
            updated: now,
            expires: now + self.lifetime,
        };
        self.issued.push(fresh.clone());
        fresh
    }

    /// Ends everything handed out so far.
    pub(crate) fn expire_credentials(&mut self, now: SimTime) {
        for credentials in &mut self.issued {
            credentials.expires = credentials.expires.min(now);
        }
    }

    pub(crate) fn find(&self, access_key_id: &str) -> Option<&Credentials> {
        self.issued
            .iter()
            .find(|c| c.access_key_id == access_key_id)
    }
}
