//! A port of the host, with its protocol.

use std::fmt;

/// A port of the host that a task uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// The number of the port.
    pub number: u16,
    /// The protocol of the port.
    pub protocol: Protocol,
}

/// The protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP, written `tcp`.
    Tcp,
    /// UDP, written `udp`.
    Udp,
}

impl HostPort {
    /// Parses a port such as `80/tcp`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, protocol) = text.split_once('/')?;
        // `parse` alone would accept "+80".
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        Some(Self {
            number: number.parse().ok().filter(|port| digits && *port > 0)?,
            protocol: match protocol {
                "tcp" => Protocol::Tcp,
                "udp" => Protocol::Udp,
                _ => return None,
            },
        })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        write!(f, "{}/{protocol}", self.number)
    }
}
