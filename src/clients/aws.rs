//! Sets up the AWS SDK: the region is from metadata, the SDK's own retries are off, and each call has one timeout.
//!
//! Proxies, FIPS and dual stack are configured by the SDK's own environment variables and files.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_autoscaling::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, tls};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::sync::Mutex;

use crate::decide::{Failure, FailureKind, Instance};

use super::bounded::Bounded;
use super::names::Names;

/// Error codes of a rejected signature, usually due to clock skew. The SDK learns AWS's time from the answer.
const SIGNATURE: &[&str] = &[
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "RequestExpired",
    "RequestTimeTooSkewed",
];
/// Error codes of credentials that have expired.
const EXPIRED: &[&str] = &["ExpiredToken", "ExpiredTokenException"];

/// The SDK's clients, created when they are first needed: an idle agent makes no AWS calls and holds no
/// credentials. They are kept while the credentials are valid, because each client remembers the clock skew to
/// AWS.
pub struct Aws {
    request_timeout: Duration,
    clients: Mutex<Option<Clients>>,
    /// Set when a call was rejected for its credentials, so that the next call loads new ones.
    stale: AtomicBool,
}

#[derive(Clone)]
struct Clients {
    config: SdkConfig,
    ecs: aws_sdk_ecs::Client,
    autoscaling: aws_sdk_autoscaling::Client,
}

impl Aws {
    /// `request_timeout` covers one call with everything that it involves.
    pub fn new(request_timeout: Duration) -> Self {
        Self {
            request_timeout,
            clients: Mutex::new(None),
            stale: AtomicBool::new(false),
        }
    }

    /// Calls Amazon ECS, and once more if new credentials or AWS's time may help.
    ///
    /// # Errors
    /// Returns the failure of the last call.
    pub async fn ecs<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        instance: &Instance,
        ask: impl Fn(aws_sdk_ecs::Client) -> F,
    ) -> Result<T, Failure> {
        self.call(instance, |clients| ask(clients.ecs)).await
    }

    /// Calls Auto Scaling, and once more if new credentials or AWS's time may help.
    ///
    /// # Errors
    /// Returns the failure of the last call.
    pub async fn autoscaling<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        instance: &Instance,
        ask: impl Fn(aws_sdk_autoscaling::Client) -> F,
    ) -> Result<T, Failure> {
        self.call(instance, |clients| ask(clients.autoscaling))
            .await
    }

    async fn call<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        instance: &Instance,
        ask: impl Fn(Clients) -> F,
    ) -> Result<T, Failure> {
        let result = ask(self.clients(instance).await).await;
        if !self.retries(&result, true) {
            return result;
        }
        let result = ask(self.clients(instance).await).await;
        self.retries(&result, false);
        result
    }

    /// The endpoint of CloudFormation. The agent has no SDK client for it, so it is derived from that of Auto
    /// Scaling, with partitions, FIPS and dual stack: only the first label of the host name differs.
    ///
    /// # Errors
    /// Fails if the partition has no such endpoint.
    pub async fn cloudformation_endpoint(&self, instance: &Instance) -> Result<String, Failure> {
        let config = self.clients(instance).await.config;
        let region = &instance.region;
        let params = Params::builder()
            .region(region)
            .use_fips(config.use_fips().unwrap_or_default())
            .use_dual_stack(config.use_dual_stack().unwrap_or_default())
            .build()
            .map_err(BoxError::from);
        let found = match &params {
            Ok(params) => DefaultResolver::new().resolve_endpoint(params).await,
            Err(error) => Err(error.to_string().into()),
        };
        found
            .map(|endpoint| endpoint.url().replacen("autoscaling", "cloudformation", 1))
            .map_err(|error: BoxError| {
                let message = format!("no endpoint of CloudFormation in {region}: {error}");
                Failure::new(FailureKind::Refused, message)
            })
    }

    /// Whether a call is repeated at once, with AWS's time or with new credentials. The SDK keeps credentials until
    /// they expire. If AWS rejects them before that, they are dropped together with the clients. A signature may be
    /// rejected because of the clock, which the client learns from the `first` rejection, so it is kept.
    fn retries<T>(&self, result: &Result<T, Failure>, first: bool) -> bool {
        let Err(Failure { kind, code, .. }) = result else {
            return false;
        };
        let is = |list: &[&str]| code.as_deref().is_some_and(|code| list.contains(&code));
        if *kind == FailureKind::Credentials && !(first && is(SIGNATURE)) {
            self.stale.store(true, Ordering::Relaxed);
        }
        first && (is(SIGNATURE) || is(EXPIRED))
    }

    async fn clients(&self, instance: &Instance) -> Clients {
        let mut held = self.clients.lock().await;
        if self.stale.swap(false, Ordering::Relaxed) {
            *held = None;
        }
        if let Some(clients) = held.as_ref() {
            return clients.clone();
        }
        let config = self.load(instance).await;
        let clients = Clients {
            ecs: aws_sdk_ecs::Client::new(&config),
            autoscaling: aws_sdk_autoscaling::Client::new(&config),
            config,
        };
        *held = Some(clients.clone());
        clients
    }

    async fn load(&self, instance: &Instance) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.request_timeout)
            .operation_timeout(self.request_timeout)
            .build();
        let http = Bounded(by_the_proxies());
        let region = Region::new(instance.region.clone());
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(region.clone())
            .http_client(http.clone())
            .credentials_provider(self.credentials(region, http).await)
            // The core decides about every request that leaves the instance: see `decide::pace`.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        if let Ok(name) = AppName::new(env!("CARGO_PKG_NAME")) {
            loader = loader.app_name(name);
        }
        loader.load().await
    }

    /// The SDK's default credentials chain, but without the retries of its metadata client, which the core decides
    /// as well. Metadata is on this machine, so it is reached without proxy and TLS.
    async fn credentials(&self, region: Region, http: Bounded) -> DefaultCredentialsChain {
        let config = ProviderConfig::default()
            .with_region(Some(region.clone()))
            .with_http_client(http);
        let local = config
            .clone()
            .with_http_client(Bounded(Builder::new().build_http()));
        let imds = aws_config::imds::Client::builder()
            .configure(&local)
            .max_attempts(1)
            .connect_timeout(self.request_timeout)
            .read_timeout(self.request_timeout)
            .build();
        DefaultCredentialsChain::builder()
            .region(region)
            .imds_client(imds)
            .configure(config)
            .build()
            .await
    }
}

/// The HTTP client for AWS, which follows `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.
fn by_the_proxies() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector
            .tls_provider(tls::Provider::Rustls(
                tls::rustls_provider::CryptoMode::Ring,
            ))
            .build_with_resolver(Names)
    })
}
