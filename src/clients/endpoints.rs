//! The endpoints that environment variables set.

/// The endpoints of the requests that the agent sends without the SDK, from the standard AWS variables.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// The URL of the instance metadata service.
    pub imds: String,
    /// The URL of CloudFormation, if it is overridden.
    pub cloudformation: Option<String>,
}

impl Endpoints {
    /// Reads `AWS_EC2_METADATA_SERVICE_ENDPOINT`, `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE`,
    /// `AWS_ENDPOINT_URL_CLOUDFORMATION` and `AWS_ENDPOINT_URL`, as the SDKs do.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let ipv6 = set("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")
            .is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
        let default = if ipv6 {
            "http://[fd00:ec2::254]"
        } else {
            "http://169.254.169.254"
        };
        let ignored = set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Self {
            imds: set("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| default.to_owned()),
            cloudformation: set("AWS_ENDPOINT_URL_CLOUDFORMATION")
                .or_else(|| set("AWS_ENDPOINT_URL"))
                .filter(|_| !ignored),
        }
    }
}
