//! The rules of the keys: which values they accept, and how they are written.
//!
//! A new kind of value is a new type with [`Rule`]. `read` must turn what `write` gives into the same value,
//! because `check-config` prints it as a configuration.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use super::choices::Choice;
use super::port::HostPort;
use super::problem::Refusal;
use super::text::{closest, either, quoted};

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    /// A TOML string, or the whole of an environment variable.
    Text(String),
    /// A TOML array.
    List(Vec<Raw>),
    /// A TOML value of another type.
    Other {
        /// The type as people name it: "an integer".
        kind: &'static str,
        /// The value as written if it is short enough to be quoted, otherwise empty.
        written: String,
    },
}

/// The rule that decides which values a key accepts.
pub(super) trait Rule {
    /// The type of the accepted values.
    type Value;

    /// The accepted values, as a phrase to follow "write".
    fn accepts(&self) -> String;

    /// Parses `text` as a value.
    fn parse(&self, text: &str) -> Result<Self::Value, Refusal>;

    /// The value as TOML; `None` if it is not set.
    fn write(&self, value: &Self::Value) -> Option<String>;

    /// A value to show for a key without a default, as TOML.
    fn example(&self) -> Option<String> {
        None
    }

    /// Reads `raw` as a value. Rules for other TOML types than strings replace this.
    fn read(&self, raw: &Raw) -> Result<Self::Value, Refusal> {
        match raw {
            Raw::Text(text) => self.parse(text),
            other => Err(Refusal::new(
                format!("{} was found where a string belongs", other.kind()),
                format!("write {}", self.accepts()),
            )),
        }
    }
}

impl Raw {
    /// The type as people name it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Other { kind, .. } => kind,
        }
    }

    /// The value as written, if it is short.
    fn written(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::List(_) => "",
            Self::Other { written, .. } => written,
        }
    }
}

/// `text` as a TOML string.
pub(super) fn toml_string(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// A switch: true or false.
pub(super) struct Switch;

impl Rule for Switch {
    type Value = bool;

    fn accepts(&self) -> String {
        "true or false".to_owned()
    }

    fn parse(&self, text: &str) -> Result<bool, Refusal> {
        text.parse().map_err(|_| {
            let what = format!("{} is neither true nor false", quoted(text));
            Refusal::new(what, format!("write {}", self.accepts()))
        })
    }

    fn write(&self, value: &bool) -> Option<String> {
        Some(value.to_string())
    }

    fn read(&self, raw: &Raw) -> Result<bool, Refusal> {
        match raw {
            Raw::Text(text) => self.parse(text),
            other => other.written().parse().map_err(|_| {
                Refusal::new(
                    format!("{} was found where true or false belongs", other.kind()),
                    format!("write {}", self.accepts()),
                )
            }),
        }
    }
}

/// A whole number from 0 on, where 0 stands for "none".
pub(super) struct Count {
    pub(super) most: u32,
}

impl Rule for Count {
    type Value = u32;

    fn accepts(&self) -> String {
        format!("a whole number from 0 to {}", self.most)
    }

    fn parse(&self, text: &str) -> Result<u32, Refusal> {
        // `parse` alone would accept "+80".
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits);
        number.filter(|number| *number <= self.most).ok_or_else(|| {
            Refusal::new(
                format!("{} is not {}", quoted(text), self.accepts()),
                format!("write {}", self.accepts()),
            )
        })
    }

    fn write(&self, value: &u32) -> Option<String> {
        Some(value.to_string())
    }

    fn read(&self, raw: &Raw) -> Result<u32, Refusal> {
        match raw {
            Raw::Text(text) => self.parse(text),
            other => self.parse(other.written()).map_err(|refusal| {
                if other.written().is_empty() {
                    Refusal::new(
                        format!("{} was found where a number belongs", other.kind()),
                        format!("write {}", self.accepts()),
                    )
                } else {
                    refusal
                }
            }),
        }
    }
}

/// Ports of the host without duplicates: an array of strings, or a list with commas.
pub(super) struct HostPorts;

impl Rule for HostPorts {
    type Value = Vec<HostPort>;

    fn accepts(&self) -> String {
        "host ports with their protocol, such as [\"80/tcp\", \"53/udp\"] or \"80/tcp,53/udp\""
            .to_owned()
    }

    fn parse(&self, text: &str) -> Result<Self::Value, Refusal> {
        let mut ports: Vec<HostPort> = Vec::new();
        // A variable may contain the array as a file does.
        let text = text.trim();
        let array = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let text = array.unwrap_or(text).trim();
        let words = text.split(',').filter(|_| !text.is_empty());
        for word in words.map(|word| word.trim().trim_matches('"')) {
            let refuse = |why: &str| {
                Err(Refusal::new(
                    format!("{} {why}", quoted(word)),
                    format!("write {}", self.accepts()),
                ))
            };
            match HostPort::parse(word) {
                None => return refuse("is not a host port with a protocol"),
                Some(port) if ports.contains(&port) => return refuse("is listed twice"),
                Some(port) => ports.push(port),
            }
        }
        Ok(ports)
    }

    fn write(&self, value: &Self::Value) -> Option<String> {
        let words: Vec<String> = value.iter().map(|p| toml_string(&p.to_string())).collect();
        Some(format!("[{}]", words.join(", ")))
    }

    fn read(&self, raw: &Raw) -> Result<Self::Value, Refusal> {
        let Raw::List(list) = raw else {
            return match raw {
                Raw::Text(text) => self.parse(text),
                other => Err(Refusal::new(
                    format!("{} was found where ports belong", other.kind()),
                    format!("write {}", self.accepts()),
                )),
            };
        };
        let words: Vec<&str> = list.iter().map(Raw::written).collect();
        if words
            .iter()
            .any(|word| word.trim().is_empty() || word.contains(','))
        {
            return Err(Refusal::new(
                "the array holds something other than ports",
                format!("write {}", self.accepts()),
            ));
        }
        self.parse(&words.join(","))
    }
}

/// One of the words of `T`, in its exact spelling.
pub(super) struct OneOf<T>(pub(super) PhantomData<T>);

impl<T: Choice> Rule for OneOf<T> {
    type Value = T;

    fn accepts(&self) -> String {
        let words: Vec<String> = T::ALL.iter().map(|choice| quoted(choice.word())).collect();
        either(&words)
    }

    fn parse(&self, text: &str) -> Result<T, Refusal> {
        if let Some(choice) = T::ALL.iter().find(|choice| choice.word() == text) {
            return Ok(*choice);
        }
        let mut what = format!("{} is not an accepted value", quoted(text));
        if let Some(word) = closest(text, T::ALL.iter().map(|choice| choice.word())) {
            what.push_str(&format!(" (did you mean {}?)", quoted(word)));
        }
        Err(Refusal::new(what, format!("write {}", self.accepts())))
    }

    fn write(&self, value: &T) -> Option<String> {
        Some(toml_string(value.word()))
    }
}

/// A text that is not empty, not too long, without control characters, and passes `check`.
pub(super) struct Text {
    /// What the text is, as a phrase to follow "write".
    pub(super) what: &'static str,
    /// The most characters that are accepted.
    pub(super) longest: usize,
    /// Returns what else is wrong with the text, if anything.
    pub(super) check: fn(&str) -> Option<Refusal>,
}

impl Rule for Text {
    type Value = String;

    fn accepts(&self) -> String {
        format!("{} of 1 to {} characters", self.what, self.longest)
    }

    fn parse(&self, text: &str) -> Result<String, Refusal> {
        let what = if text.is_empty() {
            "the value is empty".to_owned()
        } else if text.chars().count() > self.longest {
            format!(
                "{} is longer than {} characters",
                quoted(text),
                self.longest
            )
        } else if text.chars().any(char::is_control) {
            format!("{} contains control characters", quoted(text))
        } else {
            return match (self.check)(text) {
                Some(refusal) => Err(refusal),
                None => Ok(text.to_owned()),
            };
        };
        let remedy = format!("write {}, or remove the key", self.accepts());
        Err(Refusal::new(what, remedy))
    }

    fn write(&self, value: &String) -> Option<String> {
        Some(toml_string(value))
    }
}

/// An absolute path.
pub(super) struct AbsolutePath;

impl Rule for AbsolutePath {
    type Value = PathBuf;

    fn accepts(&self) -> String {
        "an absolute path".to_owned()
    }

    fn parse(&self, text: &str) -> Result<PathBuf, Refusal> {
        let what = if !Path::new(text).is_absolute() {
            format!("{} is not an absolute path", quoted(text))
        } else if text.chars().any(char::is_control) {
            format!("{} contains control characters", quoted(text))
        } else {
            return Ok(PathBuf::from(text));
        };
        Err(Refusal::new(what, "write a path that begins with \"/\""))
    }

    fn write(&self, value: &PathBuf) -> Option<String> {
        Some(toml_string(&value.to_string_lossy()))
    }
}

/// A key that may be left unset. The example is shown if it is.
pub(super) struct Optional<R> {
    pub(super) rule: R,
    pub(super) example: &'static str,
}

impl<R: Rule> Rule for Optional<R> {
    type Value = Option<R::Value>;

    fn accepts(&self) -> String {
        self.rule.accepts()
    }

    fn parse(&self, text: &str) -> Result<Self::Value, Refusal> {
        self.rule.parse(text).map(Some)
    }

    fn write(&self, value: &Self::Value) -> Option<String> {
        value.as_ref().and_then(|value| self.rule.write(value))
    }

    fn example(&self) -> Option<String> {
        Some(toml_string(self.example))
    }

    fn read(&self, raw: &Raw) -> Result<Self::Value, Refusal> {
        self.rule.read(raw).map(Some)
    }
}
