//! The CloudWatch agent's listener for the embedded metric format, and the format's published schema.

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A CloudWatch agent as far as records go: lines over TCP.
pub struct CloudWatchAgent {
    pub endpoint: String,
    records: UnboundedReceiver<String>,
}

impl CloudWatchAgent {
    pub async fn start() -> Self {
        let (told, records) = unbounded_channel();
        let take = move |line| drop(told.send(line));
        let endpoint = ecs_lifecycle_rig::emf::listen(take).await.unwrap();
        Self { endpoint, records }
    }

    /// The next record, as the format has it.
    pub async fn record(&mut self) -> Value {
        let line = self.records.recv().await.unwrap();
        assert!(line.len() < 1_000, "{} bytes: {line}", line.len());
        let record: Value = serde_json::from_str(&line).unwrap();
        assert_record(&record);
        record
    }
}

/// By the schema, and by what the specification says in words: the root has the values that are named.
pub fn assert_record(record: &Value) {
    let schema = serde_json::from_str(include_str!("../capacity/emf-schema.json")).unwrap();
    if let Err(why) = check(&schema, record, "") {
        panic!("{why}: {record:#}");
    }
    for directive in record["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()), "{record:#}");
        for metric in metrics {
            assert!(
                record[metric["Name"].as_str().unwrap()].is_number(),
                "{record:#}"
            );
        }
        for set in directive["Dimensions"].as_array().unwrap() {
            for name in set.as_array().unwrap() {
                let value = record[name.as_str().unwrap()].as_str().unwrap();
                assert!((1..=1024).contains(&value.len()), "{record:#}");
            }
        }
    }
}

/// As much of JSON Schema as that one uses.
fn check(schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let fault = |why: &str| Err(format!("{path}: {why}"));
    for (keyword, rule) in schema.as_object().unwrap() {
        let number = || usize::try_from(rule.as_u64().unwrap()).unwrap();
        let fits = match keyword.as_str() {
            "$comment" => true,
            "type" => match rule.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "integer" => value.is_i64() || value.is_u64(),
                other => panic!("a type that is not understood: {other}"),
            },
            "required" => {
                let names = rule.as_array().unwrap();
                names
                    .iter()
                    .all(|name| value.get(name.as_str().unwrap()).is_some())
            }
            "properties" => {
                for (name, schema) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(schema, value, &format!("{path}/{name}"))?;
                    }
                }
                true
            }
            "items" => {
                for (at, value) in value.as_array().into_iter().flatten().enumerate() {
                    check(rule, value, &format!("{path}/{at}"))?;
                }
                true
            }
            "minItems" => value.as_array().is_none_or(|list| list.len() >= number()),
            "maxItems" => value.as_array().is_none_or(|list| list.len() <= number()),
            "minLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() >= number()),
            "maxLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() <= number()),
            "pattern" => {
                let pattern = rule.as_str().unwrap().replace("\\/", "/");
                let words = pattern
                    .strip_prefix("^(")
                    .and_then(|rest| rest.strip_suffix(")$"));
                let mut words = words.unwrap().split('|');
                value.as_str().is_none_or(|text| {
                    words.any(|word| word == text || word == ".*" && !text.contains('\n'))
                })
            }
            other => panic!("a keyword that is not understood: {other}"),
        };
        if !fits {
            return fault(&format!("{keyword} {rule}"));
        }
    }
    Ok(())
}

#[test]
fn it_tells_a_record_from_what_is_none() {
    let schema = serde_json::from_str(include_str!("../capacity/emf-schema.json")).unwrap();
    let good = serde_json::json!({"_aws": {"Timestamp": 1, "CloudWatchMetrics": [
        {"Namespace": "N", "Dimensions": [["A"]], "Metrics": [{"Name": "M", "Unit": "Count"}]}]}});
    assert_eq!(check(&schema, &good, ""), Ok(()));
    for (pointer, bad) in [
        ("/_aws", serde_json::json!(null)),
        ("/_aws/Timestamp", serde_json::json!(1.5)),
        ("/_aws/CloudWatchMetrics/0", serde_json::json!({})),
        ("/_aws/CloudWatchMetrics/0/Namespace", serde_json::json!("")),
        (
            "/_aws/CloudWatchMetrics/0/Dimensions",
            serde_json::json!([]),
        ),
        (
            "/_aws/CloudWatchMetrics/0/Dimensions/0/0",
            serde_json::json!(7),
        ),
        (
            "/_aws/CloudWatchMetrics/0/Metrics/0/Unit",
            serde_json::json!("Tasks"),
        ),
    ] {
        let mut record = good.clone();
        *record.pointer_mut(pointer).unwrap() = bad;
        assert!(check(&schema, &record, "").is_err(), "{pointer}");
    }
}
