//! One file as read: every key is optional, and none may be unknown.
//!
//! The TOML is walked with its positions and not deserialised, because a derive would stop at the first mistake
//! and would not know the lines of the others. Whether the values are acceptable is checked by `merge`.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Problems};
use super::provenance::Origin;
use super::rules::Raw;
use super::table::{Key, Section, remedy_for_unknown_section};
use super::text::shortened;

/// A value that some source gives to a key.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: &'static Key,
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// The entries of a file with this content; none if it is not TOML.
pub(super) fn from_toml(path: &Path, content: &str, problems: &mut Problems) -> Vec<Entry> {
    let place = Place { path, content };
    let document = match DeTable::parse(content) {
        Ok(document) => document,
        Err(error) => {
            problems.add(|| place.syntax_error(&error));
            return Vec::new();
        }
    };

    let mut entries = Vec::new();
    for (name, value) in document.get_ref().iter() {
        let start = name.span().start;
        let name = name.get_ref().as_ref();
        let former = Section::formerly(name);
        let Some(section) = former.or_else(|| Section::named(name)) else {
            problems.add(|| place.unknown_section(start, name, value.get_ref()));
            continue;
        };
        let Some(keys) = value.get_ref().as_table() else {
            problems.add(|| place.not_a_section(start, section, value.get_ref()));
            continue;
        };
        let found = place.section_entries(section, keys, problems);
        if former.is_some() {
            let write = format!("[{}]", section.name);
            problems.warn(section.renamed(place.origin(start), name, &write));
            // They go first, so that the present name of the section replaces them.
            entries.splice(0..0, found);
        } else {
            entries.extend(found);
        }
    }
    entries
}

/// A file and its content, from which the lines of problems are found.
struct Place<'a> {
    path: &'a Path,
    content: &'a str,
}

impl Place<'_> {
    fn section_entries(
        &self,
        section: &'static Section,
        keys: &DeTable<'_>,
        problems: &mut Problems,
    ) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (name, value) in keys.iter() {
            let start = name.span().start;
            match section.key(name.get_ref()) {
                Some(key) => entries.push(Entry {
                    key,
                    raw: raw(value),
                    origin: self.origin(start),
                }),
                None => problems.add(|| Problem {
                    origin: self.origin(start),
                    key: Some(format!("{}.{}", section.name, shortened(name.get_ref()))),
                    what: "there is no such key".to_owned(),
                    remedy: section.remedy_for_unknown(name.get_ref()),
                }),
            }
        }
        entries
    }

    fn origin(&self, offset: usize) -> Origin {
        let before = self.content.bytes().take(offset);
        Origin::File {
            path: self.path.to_path_buf(),
            line: Some(1 + before.filter(|byte| *byte == b'\n').count()),
        }
    }

    fn syntax_error(&self, error: &toml::de::Error) -> Problem {
        let origin = match error.span() {
            Some(span) => self.origin(span.start),
            None => Origin::File {
                path: self.path.to_path_buf(),
                line: None,
            },
        };
        Problem {
            origin,
            key: None,
            what: format!("this is not TOML ({})", shortened(error.message())),
            remedy: "correct the line; values are written in quotes, as key = \"value\"".to_owned(),
        }
    }

    fn unknown_section(&self, offset: usize, name: &str, value: &DeValue<'_>) -> Problem {
        let what = if value.is_table() {
            "there is no such section"
        } else {
            "a key must be in a section, and there is no such section"
        };
        Problem {
            origin: self.origin(offset),
            key: Some(shortened(name)),
            what: what.to_owned(),
            remedy: remedy_for_unknown_section(name),
        }
    }

    fn not_a_section(&self, offset: usize, section: &Section, value: &DeValue<'_>) -> Problem {
        Problem {
            origin: self.origin(offset),
            key: Some(section.name.to_owned()),
            what: format!("{} was found where a section belongs", kind(value)),
            remedy: format!("write [{}] and its keys below it", section.name),
        }
    }
}

fn raw(value: &Spanned<DeValue<'_>>) -> Raw {
    let written = match value.get_ref() {
        DeValue::String(text) => return Raw::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(on) => on.to_string(),
        DeValue::Array(list) => return Raw::List(list.iter().map(raw).collect()),
        _ => String::new(),
    };
    Raw::Other {
        kind: kind(value.get_ref()),
        written,
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a floating-point number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
