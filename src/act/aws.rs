//! The AWS SDK, set up once: region from metadata, the SDK's own retries off, one timeout for each call.

use std::time::Duration;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::tls;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::sync::Mutex;

use crate::decide::{Failure, FailureKind, Instance};

use super::bounded::Bounded;

/// The SDK's configuration, made when it is first needed: an idle agent asks AWS nothing, and holds no
/// credentials.
pub struct Aws {
    request_timeout: Duration,
    config: Mutex<Option<SdkConfig>>,
    /// Set from a call that was refused for its credentials: the next one fetches new ones.
    stale: std::sync::atomic::AtomicBool,
}

impl Aws {
    /// `request_timeout` covers one call with all that belongs to it.
    pub fn new(request_timeout: Duration) -> Self {
        Self {
            request_timeout,
            config: Mutex::new(None),
            stale: false.into(),
        }
    }

    /// A client of Amazon ECS.
    pub async fn ecs(&self, instance: &Instance) -> aws_sdk_ecs::Client {
        aws_sdk_ecs::Client::new(&self.config(instance).await)
    }

    /// A client of Auto Scaling.
    pub async fn autoscaling(&self, instance: &Instance) -> aws_sdk_autoscaling::Client {
        aws_sdk_autoscaling::Client::new(&self.config(instance).await)
    }

    /// Takes note of how a call went. The SDK keeps credentials until their end; where AWS calls them
    /// expired before that, they are dropped, cache and all.
    pub fn book<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        if let Err(Failure {
            kind: FailureKind::Credentials,
            ..
        }) = &result
        {
            self.stale.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        result
    }

    async fn config(&self, instance: &Instance) -> SdkConfig {
        let mut held = self.config.lock().await;
        if self.stale.swap(false, std::sync::atomic::Ordering::Relaxed) {
            *held = None;
        }
        if let Some(config) = held.as_ref() {
            return config.clone();
        }
        let config = self.load(instance).await;
        *held = Some(config.clone());
        config
    }

    async fn load(&self, instance: &Instance) -> SdkConfig {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(
                tls::rustls_provider::CryptoMode::Ring,
            ))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.request_timeout)
            .operation_timeout(self.request_timeout)
            .build();
        let http = Bounded(http);
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
    /// decided by the core, too.
    async fn credentials(&self, region: Region, http: Bounded) -> DefaultCredentialsChain {
        let config = ProviderConfig::default()
            .with_region(Some(region.clone()))
            .with_http_client(http);
        let imds = aws_config::imds::Client::builder()
            .configure(&config)
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
