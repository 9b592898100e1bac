//! A request as understood: which service, which operation, which parameters.

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::http::request::Parts;
use serde_json::{Map, Value, json};

use super::Front;
use crate::model::Service;

/// The protocol a request speaks, which decides what an error looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Plain text with HTTP statuses.
    Imds,
    /// JSON with HTTP statuses.
    Introspection,
    /// awsJson 1.1.
    Json,
    /// awsQuery: XML answers.
    Query,
    /// awsQuery with `ContentType=JSON`, as on-instance CloudFormation tools use it.
    QueryJson,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) protocol: Protocol,
    /// The bare operation: `PUT /latest/api/token`, `ListTasks`.
    pub(crate) action: String,
    /// With the service's prefix.
    pub(crate) operation: String,
    pub(crate) params: Value,
    pub(crate) headers: HeaderMap,
    /// The instance at whose port it came in.
    pub(crate) at_instance: Option<String>,
    /// Whether it came to a port where this service is served.
    pub(crate) right_door: bool,
}

const TARGET: &str = "AmazonEC2ContainerServiceV20141113.";

impl Call {
    pub(crate) fn read(front: &Front, parts: Parts, body: &Bytes) -> Self {
        match front {
            Front::Imds(id) => Self::local(Service::Imds, Protocol::Imds, id, parts),
            Front::Introspection(id) => {
                Self::local(Service::Introspection, Protocol::Introspection, id, parts)
            }
            Front::Aws(only) => {
                let mut call = Self::aws(parts, body);
                call.right_door = only.is_none_or(|service| service == call.service);
                call
            }
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    fn new(
        service: Service,
        protocol: Protocol,
        action: String,
        params: Value,
        headers: HeaderMap,
    ) -> Self {
        let operation = format!("{}:{action}", service.prefix());
        Self {
            service,
            protocol,
            action,
            operation,
            params,
            headers,
            at_instance: None,
            right_door: true,
        }
    }

    fn local(service: Service, protocol: Protocol, id: &str, parts: Parts) -> Self {
        let action = format!("{} {}", parts.method, parts.uri.path());
        let mut params = form(parts.uri.query().unwrap_or_default().as_bytes());
        let ttl = parts
            .headers
            .get("x-aws-ec2-metadata-token-ttl-seconds")
            .and_then(|v| v.to_str().ok());
        if let Some(ttl) = ttl {
            params.insert("ttl".to_owned(), json!(ttl));
        }
        let mut call = Self::new(
            service,
            protocol,
            action,
            Value::Object(params),
            parts.headers,
        );
        call.at_instance = Some(id.to_owned());
        call
    }

    fn aws(parts: Parts, body: &Bytes) -> Self {
        let target = parts
            .headers
            .get("x-amz-target")
            .and_then(|v| v.to_str().ok());
        if let Some(target) = target {
            let action = target.strip_prefix(TARGET).unwrap_or(target).to_owned();
            let params = if body.is_empty() {
                json!({})
            } else {
                serde_json::from_slice(body).unwrap_or(Value::Null)
            };
            return Self::new(Service::Ecs, Protocol::Json, action, params, parts.headers);
        }
        let mut params = form(parts.uri.query().unwrap_or_default().as_bytes());
        params.append(&mut form(body));
        let text = |name: &str| params.get(name).and_then(Value::as_str).unwrap_or_default();
        let action = text("Action").to_owned();
        let service = if text("Version") == "2011-01-01" {
            Service::AutoScaling
        } else {
            Service::CloudFormation
        };
        let protocol = if text("ContentType") == "JSON" {
            Protocol::QueryJson
        } else {
            Protocol::Query
        };
        params.remove("Action");
        params.remove("Version");
        Self::new(
            service,
            protocol,
            action,
            Value::Object(params),
            parts.headers,
        )
    }
}

fn form(bytes: &[u8]) -> Map<String, Value> {
    form_urlencoded::parse(bytes)
        .map(|(k, v)| (k.into_owned(), Value::String(v.into_owned())))
        .collect()
}
