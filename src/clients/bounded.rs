//! Limits the body of every answer that the SDK reads, so that no answer can exhaust the memory.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, Limited};

/// The most bytes of a body. A hundred tasks with all their details take a tenth of that.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// The metadata path that returns the name of the instance's role.
const ROLE: &str = "/latest/meta-data/iam/security-credentials/";

/// The most bytes of a role name. IAM allows 64 characters at present, and a URI can hold 64 KiB.
const LONGEST_ROLE: usize = 512;

/// An HTTP client whose answers fail if their body exceeds the limit.
#[derive(Clone, Debug)]
pub struct Bounded(pub SharedHttpClient);

impl HttpClient for Bounded {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(BoundedConnector(
            self.0.http_connector(settings, components),
        ))
    }
}

#[derive(Debug)]
struct BoundedConnector(SharedHttpConnector);

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let names_the_role = request.uri().ends_with(ROLE);
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let bound = |body| SdkBody::from_body_1_x(Limited::new(body, BODY_LIMIT));
            let response = answer.await?.map(bound);
            if names_the_role && response.status().is_success() {
                with_a_role(response).await
            } else {
                Ok(response)
            }
        })
    }
}

/// Checks the name of the instance's role. The SDK makes it part of the next request's URI without a check, and
/// panics if the URI is invalid.
async fn with_a_role(mut response: HttpResponse) -> Result<HttpResponse, ConnectorError> {
    let body = std::mem::replace(response.body_mut(), SdkBody::taken());
    let name = body.collect().await.map_err(ConnectorError::io)?.to_bytes();
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    let fits = (1..=LONGEST_ROLE).contains(&name.len());
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(byte);
    if !fits || !name.iter().all(plain) {
        let why = "no credentials: instance metadata returned an invalid role name";
        return Err(ConnectorError::other(why.into(), None));
    }
    *response.body_mut() = SdkBody::from(name);
    Ok(response)
}
