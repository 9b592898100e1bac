//! How the simulator itself is set up.

use std::time::Duration;

use crate::secrets::STATIC_ACCESS_KEY_ID;

/// Options of [`Simulator::start`](crate::Simulator::start).
#[derive(Clone, Debug)]
#[must_use]
pub struct Options {
    /// Simulated seconds per real second.
    pub speed: f64,
    /// Whether dates are of simulated time, for agents whose clock runs as fast.
    pub simulated_dates: bool,
    /// The region everything is in.
    pub region: String,
    /// The account everything belongs to.
    pub account_id: String,
    /// An access key id that is accepted without having come from the metadata service.
    pub static_access_key_id: Option<String>,
    /// Most entries in one page of an ECS list call (AWS: 100).
    pub page_size: usize,
    /// Whether the ECS token buckets are enforced.
    pub throttling: bool,
    /// Whether changing a `REGISTERING` container instance is reported in `failures[]` instead of
    /// failing the whole call.
    pub registering_in_failures: bool,
    /// Lifetime of the credentials that the metadata service hands out.
    pub credential_lifetime: Duration,
    /// Draws the order of the tasks in introspection, another at each read.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            speed: 1.0,
            simulated_dates: false,
            region: "us-east-1".to_owned(),
            account_id: "123456789012".to_owned(),
            static_access_key_id: Some(STATIC_ACCESS_KEY_ID.to_owned()),
            page_size: 100,
            throttling: false,
            registering_in_failures: false,
            credential_lifetime: Duration::from_secs(6 * 3600),
            seed: 1,
        }
    }
}

impl Options {
    /// Sets the speed.
    pub fn speed(mut self, speed: f64) -> Self {
        self.speed = speed;
        self
    }

    /// Has dates show simulated time.
    pub fn simulated_dates(mut self) -> Self {
        self.simulated_dates = true;
        self
    }

    /// Sets the size of ECS pages.
    pub fn page_size(mut self, entries: usize) -> Self {
        self.page_size = entries.max(1);
        self
    }

    /// Enforces the ECS token buckets, or not.
    pub fn with_throttling(mut self, on: bool) -> Self {
        self.throttling = on;
        self
    }

    /// Sets the lifetime of handed-out credentials.
    pub fn credential_lifetime(mut self, lifetime: Duration) -> Self {
        self.credential_lifetime = lifetime;
        self
    }
}
