//! Converts the SDK's errors to the core's [`Failure`], which names the call, its object and the answer.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::decide::{Failure, FailureKind, IamAction};

/// Error codes of a missing permission.
const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "NotAuthorized",
    "AuthFailure",
];
/// Error codes of throttled calls.
const THROTTLED: &[&str] = &[
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "SlowDown",
    "PriorRequestNotComplete",
];
/// Error codes of credentials that are missing, wrong or expired.
const CREDENTIALS: &[&str] = &[
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidToken",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
];
/// Error codes of a failure of the service itself.
const SERVER: &[&str] = &[
    "ServerException",
    "InternalFailure",
    "InternalError",
    "ServiceUnavailable",
];

/// A call of the SDK, as messages name it.
pub struct Call {
    action: IamAction,
    object: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action, self.object)
    }
}

impl Call {
    /// The call of `action` on `object`.
    pub fn new(action: IamAction, object: impl fmt::Display) -> Self {
        Self {
            action,
            object: object.to_string(),
        }
    }

    /// The failure for an answer that is not what the protocol says.
    pub fn malformed(&self, why: &str) -> Failure {
        Failure::new(
            FailureKind::Malformed,
            format!("{self}: an answer with {why}"),
        )
    }

    /// Converts an error of the SDK.
    pub fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: Error + ProvideErrorMetadata + 'static,
    {
        let raw = error.raw_response();
        let request_id = raw.and_then(request_id);
        let status = raw.map(|raw| raw.status().as_u16());
        let (kind, code, why) = match error {
            SdkError::TimeoutError(_) => {
                (FailureKind::Timeout, None, "no answer in time".to_owned())
            }
            SdkError::DispatchFailure(failure) if failure.is_timeout() => (
                FailureKind::Timeout,
                None,
                "no connection in time".to_owned(),
            ),
            SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
                if causes(error).any(<dyn Error>::is::<CredentialsError>) {
                    let why = format!("no credentials: {}", last(error));
                    (FailureKind::Credentials, None, why)
                } else {
                    (FailureKind::Unreachable, None, last(error))
                }
            }
            SdkError::ResponseError(_) => {
                let kind = match status {
                    Some(500..) => FailureKind::Server,
                    _ => FailureKind::Malformed,
                };
                let status = status.map_or_else(String::new, |status| format!("status {status}, "));
                (
                    kind,
                    None,
                    format!("{status}an answer that makes no sense: {}", last(error)),
                )
            }
            SdkError::ServiceError(service) => {
                let code = service.err().code().map(str::to_owned);
                let message = service.err().message().unwrap_or("(no message)");
                let kind = match kind_of(code.as_deref(), status.unwrap_or_default()) {
                    FailureKind::Refused => refused(message),
                    kind => kind,
                };
                let named = code.as_deref().unwrap_or("an error without a code");
                (kind, code.clone(), format!("{named}: {message}"))
            }
            _ => (FailureKind::Unreachable, None, last(error)),
        };
        Failure {
            kind,
            message: format!("{self}: {why}"),
            action: Some(self.action),
            code,
            request_id,
        }
    }
}

/// Classifies a rejected call by its message. AWS has the same code, `ValidationError`, for all of these, so this
/// is the only place that depends on the text of a message.
pub fn refused(message: &str) -> FailureKind {
    const KNOWN: [(&str, FailureKind); 3] = [
        (
            "No active Lifecycle Action found",
            FailureKind::NoActiveAction,
        ),
        ("cannot be signaled", FailureKind::NotSignalable),
        ("already exists", FailureKind::AlreadySignalled),
    ];
    KNOWN
        .into_iter()
        .find(|(text, _)| message.contains(text))
        .map_or(FailureKind::Refused, |(_, kind)| kind)
}

/// The core's kind for an error code and an HTTP status.
pub fn kind_of(code: Option<&str>, status: u16) -> FailureKind {
    let is = |list: &[&str]| code.is_some_and(|code| list.contains(&code));
    match () {
        () if is(DENIED) => FailureKind::Denied,
        () if is(THROTTLED) || status == 429 => FailureKind::Throttled,
        () if is(CREDENTIALS) => FailureKind::Credentials,
        () if is(SERVER) || status >= 500 => FailureKind::Server,
        // AWS's own errors have a code, so something else has answered.
        () if code.is_none() && status != 403 => FailureKind::Malformed,
        () if code.is_none() => FailureKind::Denied,
        () => FailureKind::Refused,
    }
}

fn request_id(raw: &HttpResponse) -> Option<String> {
    ["x-amzn-requestid", "x-amz-request-id"]
        .iter()
        .find_map(|name| raw.headers().get(*name))
        .map(str::to_owned)
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The innermost cause, which says what happened. The outer ones only say where.
fn last(error: &(dyn Error + 'static)) -> String {
    causes(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}
