//! The AWS SDK, set up once: region from metadata, the SDK's own retries off, one timeout for each call.
//!
//! Proxies, FIPS and dual stack are the SDK's own settings, from its environment variables and files.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
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

/// Where a signature was refused, for its time as a rule. The SDK learns AWS's time from the answer.
const SIGNATURE: &[&str] = &[
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "RequestExpired",
    "RequestTimeTooSkewed",
];
/// Where credentials were good, and are not any more.
const EXPIRED: &[&str] = &["ExpiredToken", "ExpiredTokenException"];
/// As many refusals in a row are answered by asking again at once: calls go side by side.
const AT_ONCE: u32 = 3;

/// The SDK's clients, made when they are first needed: an idle agent asks AWS nothing, and holds no
/// credentials. They are kept as long as the credentials are good, as each knows how far the clock of this
/// machine is from AWS's.
pub struct Aws {
    request_timeout: Duration,
    clients: Mutex<Option<Clients>>,
    /// Set from a call that was refused for its credentials: the next one fetches new ones.
    stale: AtomicBool,
    refusals: AtomicU32,
}

#[derive(Clone)]
struct Clients {
    config: SdkConfig,
    ecs: aws_sdk_ecs::Client,
    autoscaling: aws_sdk_autoscaling::Client,
}

impl Aws {
    /// `request_timeout` covers one call with all that belongs to it.
    pub fn new(request_timeout: Duration) -> Self {
        Self {
            request_timeout,
            clients: Mutex::new(None),
            stale: AtomicBool::new(false),
            refusals: AtomicU32::new(0),
        }
    }

    /// Asks Amazon ECS.
    ///
    /// # Errors
    /// What `ask` comes to.
    pub async fn ecs<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        instance: &Instance,
        ask: impl Fn(aws_sdk_ecs::Client) -> F,
    ) -> Result<T, Failure> {
        let mut result = ask(self.clients(instance).await.ecs).await;
        if self.book(&result) {
            result = ask(self.clients(instance).await.ecs).await;
            self.book(&result);
        }
        result
    }

    /// Asks Auto Scaling.
    ///
    /// # Errors
    /// What `ask` comes to.
    pub async fn autoscaling<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        instance: &Instance,
        ask: impl Fn(aws_sdk_autoscaling::Client) -> F,
    ) -> Result<T, Failure> {
        let mut result = ask(self.clients(instance).await.autoscaling).await;
        if self.book(&result) {
            result = ask(self.clients(instance).await.autoscaling).await;
            self.book(&result);
        }
        result
    }

    /// Where CloudFormation is. The SDK has no client of it here, but it is found by the same rules as Auto
    /// Scaling, partitions, FIPS and dual stack included: the host names differ in the first word only.
    ///
    /// # Errors
    /// Where the partition does not have what is asked for.
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

    /// Takes note of how a call went; whether it is worth asking again at once: the clock of AWS is known by
    /// now, or there are new credentials. The SDK keeps credentials until their end; where AWS calls them
    /// expired before that, they are dropped, clients and all.
    fn book<T>(&self, result: &Result<T, Failure>) -> bool {
        let Err(Failure { kind, code, .. }) = result else {
            self.refusals.store(0, Ordering::Relaxed);
            return false;
        };
        let is = |list: &[&str]| code.as_deref().is_some_and(|code| list.contains(&code));
        let again = (is(SIGNATURE) || is(EXPIRED))
            && self.refusals.fetch_add(1, Ordering::Relaxed) < AT_ONCE;
        if *kind == FailureKind::Credentials && !(again && is(SIGNATURE)) {
            self.stale.store(true, Ordering::Relaxed);
        }
        again
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
            // Every request that leaves the instance is decided by the core: see `decide::call`.
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        if let Ok(name) = AppName::new(env!("CARGO_PKG_NAME")) {
            loader = loader.app_name(name);
        }
        loader.load().await
    }

    /// The SDK's own chain of providers, but without the retries of its metadata client: those are
    /// decided by the core, too. Metadata is on this machine: no proxy leads there, and no TLS.
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

/// The way to AWS, as `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` have it.
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
            .build()
    })
}
