//! The EC2 instance metadata service, version 2 only.
//!
//! Status 404 means "not set" and is no error. Status 401 means that the token is stale, so the request is sent
//! once more with a new one. There is no fallback to version 1.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hyper::{Request, StatusCode};
use tokio::sync::Mutex;

use crate::clients::http::{self, Answer, Local};
use crate::clock::{Clock, wall_time};
use crate::decide::{
    Failure, FailureKind, Instance, MaintenanceEvent, MetadataReading, Moment, Notices,
    RebalanceRecommendation, SpotInstanceAction, TargetLifecycleState, WallTime,
};

use super::parse::{self, Misfit};

/// The longest lifetime that the service grants to a token.
const TOKEN_TTL: Duration = Duration::from_secs(21_600);
/// How long before its expiry a token is renewed.
const TOKEN_MARGIN: Duration = Duration::from_secs(300);
/// The dates of answers are cut off to the second.
const HALF_A_SECOND: i64 = 500;
/// The most bytes of an answer. Those that the agent reads are much smaller.
const BODY_LIMIT: usize = 64 * 1024;

/// A client of the metadata service.
pub struct Imds {
    http: Local,
    timeout: Duration,
    clock: Clock,
    token: Mutex<Option<Token>>,
    warnings: Warnings,
    /// What the service's clock showed at the boot clock's zero in the last answer, in milliseconds; 0 before it.
    wall_at_boot: AtomicI64,
}

/// Which of the paths that only warn are read. Each costs a request at every poll.
#[derive(Clone, Copy, Debug, Default)]
pub struct Warnings {
    /// Whether `events/recommendations/rebalance` is read.
    pub rebalance: bool,
    /// Whether `events/maintenance/scheduled` is read.
    pub maintenance: bool,
}

struct Token {
    value: String,
    renew_at: Moment,
}

impl Imds {
    /// `timeout` applies to each single request.
    pub fn new(endpoint: &str, timeout: Duration, clock: Clock, warnings: Warnings) -> Self {
        Self {
            http: Local::new(endpoint),
            timeout,
            clock,
            token: Mutex::new(None),
            warnings,
            wall_at_boot: AtomicI64::new(0),
        }
    }

    /// Reads the instance id, the region, the pending time and the purchasing option.
    ///
    /// # Errors
    /// Fails if the service does not answer, or if the answer is malformed.
    pub async fn instance(&self) -> Result<Instance, Failure> {
        let document = "dynamic/instance-identity/document";
        let (identity, life_cycle) = tokio::join!(
            self.required(document, parse::identity_document),
            self.optional("meta-data/instance-life-cycle", parse::tag),
        );
        let identity = identity?;
        Ok(Instance {
            instance_id: identity.instance_id,
            region: identity.region,
            pending_time: identity.pending_time.map(wall_time),
            // Where it cannot be read, the notices are read as often as on a Spot Instance.
            on_demand: life_cycle.is_ok_and(|found| found.as_deref() == Some("on-demand")),
        })
    }

    /// Reads the paths that can start or call off a drain, concurrently. EC2's notices are read if `notices` says so.
    pub async fn reading(&self, notices: bool) -> MetadataReading {
        // Boxed because every reading has room for it.
        let notices = notices.then(|| Box::pin(self.notices()));
        let notices = async {
            match notices {
                Some(reading) => Some(reading.await),
                None => None,
            }
        };
        let (target_lifecycle_state, notices) =
            tokio::join!(self.target_lifecycle_state(), notices);
        let wall_at_boot = WallTime(self.wall_at_boot.load(Ordering::Relaxed));
        MetadataReading {
            target_lifecycle_state,
            notices,
            wall_at_boot: Some(wall_at_boot).filter(|it| *it != WallTime(0)),
        }
    }

    /// Reads where Auto Scaling is taking the instance; `None` if metadata does not say.
    ///
    /// # Errors
    /// Fails if the service does not answer, or if the answer is malformed.
    pub async fn target_lifecycle_state(&self) -> Result<Option<TargetLifecycleState>, Failure> {
        let path = "meta-data/autoscaling/target-lifecycle-state";
        self.optional(path, parse::target_lifecycle_state).await
    }

    async fn notices(&self) -> Notices {
        let (spot_instance_action, rebalance, maintenance) =
            tokio::join!(self.spot(), self.rebalance(), self.maintenance());
        Notices {
            spot_instance_action,
            rebalance,
            maintenance,
        }
    }

    async fn spot(&self) -> Result<Option<SpotInstanceAction>, Failure> {
        let path = "meta-data/spot/instance-action";
        let found = self.optional(path, parse::spot_instance_action).await?;
        Ok(found.map(|(notice, time)| SpotInstanceAction {
            action: notice.action,
            time: notice.time,
            at: wall_time(time),
        }))
    }

    async fn rebalance(&self) -> Result<Option<RebalanceRecommendation>, Failure> {
        if !self.warnings.rebalance {
            return Ok(None);
        }
        let path = "meta-data/events/recommendations/rebalance";
        let found = self.optional(path, parse::rebalance_recommendation).await?;
        Ok(found.map(|notice_time| RebalanceRecommendation { notice_time }))
    }

    async fn maintenance(&self) -> Result<Option<MaintenanceEvent>, Failure> {
        if !self.warnings.maintenance {
            return Ok(None);
        }
        let path = "meta-data/events/maintenance/scheduled";
        let found = self
            .optional(path, parse::scheduled_events)
            .await?
            .flatten();
        Ok(found.map(|(event, time)| MaintenanceEvent {
            id: event.event_id,
            code: event.code,
            not_before: event.not_before,
            at: wall_time(time),
        }))
    }

    /// Reads an instance tag; `None` if it is not set, or if metadata has no tags.
    ///
    /// # Errors
    /// Fails if the service does not answer, or if the answer is malformed.
    pub async fn tag(&self, key: &str) -> Result<Option<String>, Failure> {
        self.optional(&format!("meta-data/tags/instance/{key}"), parse::tag)
            .await
    }

    /// The names of all instance tags; `None` if metadata has no tags.
    ///
    /// # Errors
    /// Fails if the service does not answer, or if the answer is malformed.
    pub async fn tag_names(&self) -> Result<Option<Vec<String>>, Failure> {
        self.optional("meta-data/tags/instance", parse::names).await
    }

    /// The name of the instance's role, without its credentials; `None` if there is no role.
    ///
    /// # Errors
    /// Fails if the service does not answer, or if the answer is malformed.
    pub async fn role(&self) -> Result<Option<String>, Failure> {
        let names = self
            .optional("meta-data/iam/security-credentials/", parse::names)
            .await?;
        Ok(names.and_then(|names| names.into_iter().next()))
    }

    /// The raw identity document and its signature, for CloudFormation. They must never be logged.
    ///
    /// # Errors
    /// Fails if the service does not answer, or does not have them.
    pub async fn identity(&self) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        // Both are validated, but returned as they are.
        let document = |body: &[u8]| parse::identity_document(body).map(|_| body.to_vec());
        let document = self
            .required("dynamic/instance-identity/document", document)
            .await?;
        let signature = |body: &[u8]| parse::identity_signature(body).map(|()| body.to_vec());
        let signature = self
            .required("dynamic/instance-identity/signature", signature)
            .await?;
        Ok((document, signature))
    }

    async fn required<T>(
        &self,
        path: &str,
        parse: impl Fn(&[u8]) -> Result<T, Misfit>,
    ) -> Result<T, Failure> {
        self.optional(path, parse).await?.ok_or_else(|| {
            let url = self.http.url(&format!("/latest/{path}"));
            let message = format!("GET {url}: status 404: not there (yet)");
            Failure::new(FailureKind::Refused, message)
        })
    }

    async fn optional<T>(
        &self,
        path: &str,
        parse: impl Fn(&[u8]) -> Result<T, Misfit>,
    ) -> Result<Option<T>, Failure> {
        let path = format!("/latest/{path}");
        let what = format!("GET {}", self.http.url(&path));
        let mut answer = self.get(&what, &path).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            *self.token.lock().await = None;
            answer = self.get(&what, &path).await?;
        }
        match answer.status {
            StatusCode::OK => parse(&answer.body).map(Some).map_err(|misfit| {
                Failure::new(FailureKind::Malformed, format!("{what}: {misfit}"))
            }),
            StatusCode::NOT_FOUND => Ok(None),
            status => {
                // An identity document must not be logged, so only the status is reported.
                let mut bare = answer;
                bare.body.clear();
                let mut failure = http::unexpected_status(&what, &bare);
                if status == StatusCode::UNAUTHORIZED {
                    failure.message = format!("{what}: status 401, with a fresh token too");
                }
                Err(failure)
            }
        }
    }

    async fn get(&self, what: &str, path: &str) -> Result<Answer, Failure> {
        let token = self.token().await?;
        let request = Request::get("/").header("X-aws-ec2-metadata-token", token);
        let answer = self
            .http
            .fetch(what, path, request, self.timeout, BODY_LIMIT)
            .await?;
        if let Some(date) = answer.date() {
            let since_boot = self.clock.now().as_millis();
            let at_boot = (wall_time(date).0 + HALF_A_SECOND).saturating_sub(since_boot);
            self.wall_at_boot.store(at_boot, Ordering::Relaxed);
        }
        Ok(answer)
    }

    async fn token(&self) -> Result<String, Failure> {
        // The lock is held during the request, so that only one of several concurrent readers fetches a token.
        let mut held = self.token.lock().await;
        if let Some(token) = held
            .as_ref()
            .filter(|token| self.clock.now() < token.renew_at)
        {
            return Ok(token.value.clone());
        }
        *held = None;
        let path = "/latest/api/token";
        let what = format!("PUT {}", self.http.url(path));
        let request = Request::put("/")
            .header("X-aws-ec2-metadata-token-ttl-seconds", TOKEN_TTL.as_secs())
            .header("Content-Length", 0);
        let answer = self
            .http
            .fetch(&what, path, request, self.timeout, BODY_LIMIT)
            .await?;
        if answer.status != StatusCode::OK {
            return Err(http::unexpected_status(&what, &answer));
        }
        let value = std::str::from_utf8(&answer.body)
            .ok()
            .map(str::trim)
            .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| Failure::new(FailureKind::Malformed, format!("{what}: not a token")))?
            .to_owned();
        let granted = granted_ttl(&answer);
        let renew_at = self.clock.now() + granted.saturating_sub(TOKEN_MARGIN.min(granted / 2));
        *held = Some(Token {
            value: value.clone(),
            renew_at,
        });
        Ok(value)
    }
}

/// The token's lifetime as granted by the service, which need not be the one requested.
fn granted_ttl(answer: &Answer) -> Duration {
    answer
        .headers
        .get("X-aws-ec2-metadata-token-ttl-seconds")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok())
        .map_or(TOKEN_TTL, Duration::from_secs)
        .min(TOKEN_TTL)
}
