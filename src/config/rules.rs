//! What a key accepts, and how its values are written.
//!
//! A new kind of value is a new type with [`Rule`]. `write` must give what `read` takes back to
//! the same value: `check-config` prints it as a configuration.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use super::choices::Choice;
use super::problem::Refusal;
use super::text::{closest, either, quoted};

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    /// A TOML string, or the whole of an environment variable.
    Text(String),
    /// A TOML value of another type.
    Other {
        /// The type as people name it: "an integer".
        kind: &'static str,
        /// The value as written, where it is short enough to matter; else empty.
        written: String,
    },
}

/// What a key accepts.
pub(super) trait Rule {
    /// The type of the accepted values.
    type Value;

    /// What is accepted, to follow "write".
    fn accepts(&self) -> String;

    /// The value that `text` means.
    fn parse(&self, text: &str) -> Result<Self::Value, Refusal>;

    /// The value as TOML; `None` when it is not set.
    fn write(&self, value: &Self::Value) -> Option<String>;

    /// A value to show for a key without a default, as TOML.
    fn example(&self) -> Option<String> {
        None
    }

    /// The value that `raw` means. Rules for other TOML types than strings replace this.
    fn read(&self, raw: &Raw) -> Result<Self::Value, Refusal> {
        match raw {
            Raw::Text(text) => self.parse(text),
            Raw::Other { kind, .. } => Err(Refusal::new(
                format!("{kind} was found where a string belongs"),
                format!("write {}", self.accepts()),
            )),
        }
    }
}

/// `text` as a TOML string.
pub(super) fn toml_string(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// On or off.
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
            Raw::Other { kind, written } => written.parse().map_err(|_| {
                Refusal::new(
                    format!("{kind} was found where true or false belongs"),
                    format!("write {}", self.accepts()),
                )
            }),
        }
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
    /// What the text is, to follow "write".
    pub(super) what: &'static str,
    /// The most characters.
    pub(super) longest: usize,
    /// What else is wrong with the text, if anything.
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

/// A key that may be left unset; the example is shown where it is.
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
