//! Calls CloudFormation's `SignalResource` as AWS's own `cfn-signal` does on an instance: the instance identity
//! document and its signature authenticate the call, so that it needs no IAM permission and no SDK.

use std::time::Duration;

use base64::Engine as _;
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;

use crate::clients::Imds;
use crate::clients::http::{self, Answer};
use crate::decide::{Accepted, Failure, FailureKind, IamAction, Instance, SignalStatus};

use super::failure::{kind_of, refused};
use super::names::Names;

/// The most bytes of an answer, which is a request id or a short error.
const BODY_LIMIT: usize = 64 * 1024;

/// A signal for one resource of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The name or the id of the stack.
    pub stack: String,
    /// The `LogicalResourceId` of the resource.
    pub resource: String,
    /// The `Status` that is signalled.
    pub status: SignalStatus,
}

/// A client of CloudFormation for `SignalResource` only.
pub struct CloudFormation {
    timeout: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorAnswer {
    error: ErrorBody,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ErrorBody {
    code: String,
    #[serde(default)]
    message: String,
}

impl CloudFormation {
    /// `timeout` covers one request with its answer.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout }
    }

    /// Sends the signal to `endpoint`, with the instance id as `UniqueId`.
    ///
    /// # Errors
    /// Fails if metadata has no identity document, or if CloudFormation does not accept the signal.
    pub async fn signal(
        &self,
        imds: &Imds,
        instance: &Instance,
        signal: &Signal,
        endpoint: &str,
    ) -> Result<Accepted, Failure> {
        let what = format!(
            "cloudformation:SignalResource {} for {} of {}",
            signal.status.as_str(),
            signal.resource,
            signal.stack
        );
        let (document, signature) = imds.identity().await?;
        let url = url(&what, endpoint, instance, signal)?;
        // Built for this one request, so that an idle agent holds no TLS roots in memory.
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Names)
            .build()
            .map_err(|error| Failure::new(FailureKind::Unreachable, format!("{what}: {error}")))?;
        let request = client
            .get(url)
            .header("Accept", "application/json")
            .header("Authorization", authorization(&document, &signature));
        let answer = http::fetch(&what, request, self.timeout, BODY_LIMIT).await?;
        understand(&what, &answer)
    }
}

fn url(what: &str, endpoint: &str, instance: &Instance, signal: &Signal) -> Result<Url, Failure> {
    let base = endpoint.trim_end_matches('/');
    let parameters = [
        ("Action", "SignalResource"),
        ("LogicalResourceId", &signal.resource),
        ("StackName", &signal.stack),
        ("UniqueId", &instance.instance_id),
        ("Status", signal.status.as_str()),
        ("ContentType", "JSON"),
        ("Version", "2010-05-15"),
    ];
    Url::parse_with_params(&format!("{base}/"), parameters)
        .map_err(|error| Failure::new(FailureKind::Refused, format!("{what}: {base}: {error}")))
}

/// The header value `CFN_V1 <base64 of the identity document>:<its signature, without line breaks>`.
fn authorization(document: &[u8], signature: &[u8]) -> reqwest::header::HeaderValue {
    let document = base64::engine::general_purpose::STANDARD.encode(document);
    let signature: String = String::from_utf8_lossy(signature)
        .chars()
        .filter(char::is_ascii_graphic)
        .collect();
    let mut value =
        reqwest::header::HeaderValue::try_from(format!("CFN_V1 {document}:{signature}"))
            .unwrap_or_else(|_| reqwest::header::HeaderValue::from_static("CFN_V1"));
    value.set_sensitive(true);
    value
}

fn understand(what: &str, answer: &Answer) -> Result<Accepted, Failure> {
    let request_id = answer
        .headers
        .get("x-amzn-requestid")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    if answer.status == StatusCode::OK {
        // A captive portal can answer with status 200 as well.
        let is_ours = serde_json::from_slice::<serde_json::Value>(&answer.body)
            .is_ok_and(|json| json.get("SignalResourceResponse").is_some());
        return if is_ours {
            Ok(Accepted { request_id })
        } else {
            let message = format!(
                "{what}: an answer that makes no sense: {}",
                http::excerpt(&answer.body)
            );
            Err(Failure::new(FailureKind::Malformed, message))
        };
    }
    let Ok(ErrorAnswer { error }) = serde_json::from_slice(&answer.body) else {
        return Err(http::unexpected_status(what, answer));
    };
    Err(Failure {
        kind: match kind_of(Some(&error.code), answer.status.as_u16()) {
            FailureKind::Refused => refused(&error.message),
            kind => kind,
        },
        message: format!("{what}: {}: {}", error.code, error.message),
        action: Some(IamAction::SignalResource),
        code: Some(error.code),
        request_id,
    })
}
