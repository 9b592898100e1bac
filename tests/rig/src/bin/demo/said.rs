//! A line of the agent's log, taken apart: `TIME LEVEL message key="value" key=value`.

use std::time::Duration;

/// Fields that help a person who watches; the rest is for a journal.
const TOLD: [&str; 11] = [
    "from",
    "to",
    "reason",
    "running",
    "lifecycle_hook",
    "heartbeat_every",
    "tasks_left",
    "took",
    "status",
    "result",
    "error",
];

/// Something that the agent logged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// When it was read.
    pub at: Duration,
    /// `INFO`, `WARN`, …
    pub level: String,
    /// The text.
    pub message: String,
    /// The fields.
    pub fields: Vec<(String, String)>,
}

impl Said {
    /// Takes a line apart. One that has no such shape is all message.
    pub fn parse(at: Duration, line: &str) -> Self {
        let line = line.trim();
        let known = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
        let (level, rest) = line
            .split_once(char::is_whitespace)
            .and_then(|(_, rest)| rest.trim_start().split_once(' '))
            .filter(|(level, _)| known.contains(level))
            .unwrap_or(("", line));
        let (message, fields) = apart(rest.trim());
        Self {
            at,
            level: level.to_owned(),
            message,
            fields,
        }
    }

    /// For a person: the message, and the fields that tell something.
    pub fn line(&self) -> String {
        let told: Vec<String> = self
            .fields
            .iter()
            .filter(|(key, _)| TOLD.contains(&key.as_str()))
            .map(|(key, value)| format!("{} {value}", key.replace('_', " ")))
            .collect();
        if told.is_empty() {
            self.message.clone()
        } else {
            format!("{} ({})", self.message, told.join(", "))
        }
    }
}

/// Splits the fields off a message.
fn apart(text: &str) -> (String, Vec<(String, String)>) {
    let mut starts: Vec<usize> = Vec::new();
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '\\' if quoted => {
                escaped = !escaped;
                continue;
            }
            '"' if !escaped && (quoted || text.get(..at).is_some_and(|t| t.ends_with('='))) => {
                quoted = !quoted;
            }
            ' ' if !quoted && text.get(at + 1..).is_some_and(is_field) => starts.push(at),
            _ => {}
        }
        escaped = false;
    }
    let end = starts.first().copied().unwrap_or(text.len());
    let message = text.get(..end).unwrap_or_default().to_owned();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let fields = starts.iter().zip(ends).filter_map(|(start, end)| {
        let (key, value) = text.get(*start..end)?.trim().split_once('=')?;
        let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        let value = inner.map_or_else(|| value.to_owned(), |v| v.replace("\\\"", "\""));
        Some((key.to_owned(), value))
    });
    (message, fields.collect())
}

/// Whether a text begins with `key=`.
fn is_field(text: &str) -> bool {
    text.split_once('=').is_some_and(|(key, _)| {
        !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let said = Said::parse(
            Duration::ZERO,
            r#"2030-01-01T00:00:00.5Z  INFO drain started cluster="demo" reason=to be terminated error="a \"b=c\" d" took=1s 5ms"#,
        );
        assert_eq!(said.level, "INFO");
        assert_eq!(said.message, "drain started");
        let value = |key: &str| {
            said.fields
                .iter()
                .find(|(k, _)| k == key)
                .unwrap()
                .1
                .as_str()
        };
        assert_eq!(value("cluster"), "demo");
        assert_eq!(value("reason"), "to be terminated");
        assert_eq!(value("error"), "a \"b=c\" d");
        assert_eq!(value("took"), "1s 5ms");
        assert_eq!(
            said.line(),
            "drain started (reason to be terminated, error a \"b=c\" d, took 1s 5ms)"
        );
    }

    #[test]
    fn another_line_is_all_message() {
        let said = Said::parse(Duration::ZERO, "thread panicked at x = \"y\"");
        assert_eq!(said.message, "thread panicked at x = \"y\"");
        assert_eq!(said.line(), said.message);
    }
}
