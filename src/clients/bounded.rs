//! A limit on the body of every answer that the SDK reads: whatever answers, the agent does not grow.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, Limited};

/// A hundred tasks with all their details come to a tenth of it.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Where instance metadata names the role whose credentials it hands out.
const ROLE: &str = "/latest/meta-data/iam/security-credentials/";

/// A role's name has 64 characters at the most, today. A URI holds 64 KiB.
const LONGEST_ROLE: usize = 512;

/// An HTTP client whose answers end at the limit, with an error.
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

/// The name of the instance's role becomes part of the next request's URI. The SDK takes it as it comes,
/// and panics where that makes no URI.
async fn with_a_role(mut response: HttpResponse) -> Result<HttpResponse, ConnectorError> {
    let body = std::mem::replace(response.body_mut(), SdkBody::taken());
    let name = body.collect().await.map_err(ConnectorError::io)?.to_bytes();
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    let fits = (1..=LONGEST_ROLE).contains(&name.len());
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(byte);
    if !fits || !name.iter().all(plain) {
        let why = "no credentials: what instance metadata gives for the role is no role's name";
        return Err(ConnectorError::other(why.into(), None));
    }
    *response.body_mut() = SdkBody::from(name);
    Ok(response)
}
