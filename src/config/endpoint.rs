//! The endpoint of the ECS agent's introspection API.
//!
//! It serves plain HTTP without authentication, and its answers decide when an instance may be terminated. So only
//! this host is accepted: a server on another one could end a drain early.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::problem::Refusal;
use super::rules::{Rule, toml_string};
use super::text::quoted;

/// An `http://` URL of this host without a path, stored without a trailing slash.
pub(super) struct LoopbackUrl;

impl Rule for LoopbackUrl {
    type Value = String;

    fn accepts(&self) -> String {
        "an http:// URL of this host (127.0.0.0/8, [::1] or localhost), with no path".to_owned()
    }

    fn parse(&self, text: &str) -> Result<String, Refusal> {
        let refuse = |why: &str| {
            Refusal::new(
                format!("{} {why}", quoted(text)),
                format!(
                    "write {}, for example \"http://127.0.0.1:51678\"",
                    self.accepts()
                ),
            )
        };
        let rest = text.strip_prefix("http://").ok_or_else(|| {
            refuse("does not begin with \"http://\" (the ECS agent speaks plain HTTP)")
        })?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(refuse("has a path"));
        }
        if authority.contains('@') {
            return Err(refuse("has a user name"));
        }
        let (host, port) = split_port(authority);
        if !is_loopback(host) {
            return Err(refuse("is not this host"));
        }
        if !port.is_none_or(is_port) {
            return Err(refuse("has a port that is not a number from 1 to 65535"));
        }
        Ok(format!("http://{authority}"))
    }

    fn write(&self, value: &String) -> Option<String> {
        Some(toml_string(value))
    }
}

/// Splits the host, with the brackets of an IPv6 address, from the port after the colon.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // The colons inside the brackets belong to the address.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn is_loopback(host: &str) -> bool {
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return address
            .parse::<Ipv6Addr>()
            .is_ok_and(|address| address.is_loopback());
    }
    host == "localhost"
        || host
            .parse::<Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback())
}

fn is_port(port: &str) -> bool {
    // `parse` alone would accept "+80".
    port.chars().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}
