//! The form of the key table: one entry for each key, from which everything else is derived.
//!
//! The table itself is in `keys`. A reader who only adds keys need not read this.

use super::keys::{Inputs, SECTIONS};
use super::problem::{Problem, Refusal};
use super::provenance::Origin;
use super::rules::Raw;
use super::text::closest;

/// The prefix of the agent's environment variables.
pub(super) const PREFIX: &str = "ECS_LIFECYCLE_AGENT_";

/// A section of the configuration.
pub(super) struct Section {
    pub(super) name: &'static str,
    /// The subject of its keys.
    pub(super) about: &'static str,
    pub(super) keys: &'static [Key],
}

/// A key of the configuration. The functions hide the type of its value.
pub(super) struct Key {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    /// The meaning of the key, for the sample.
    pub(super) meaning: &'static str,
    /// The values that may be written.
    pub(super) accepts: fn() -> String,
    /// A value to show if there is no default, as TOML.
    pub(super) example: fn() -> Option<String>,
    /// The value in `Inputs` as TOML; `None` if it is not set.
    pub(super) get: fn(&Inputs) -> Option<String>,
    /// Checks a value and stores it in `Inputs`.
    pub(super) set: fn(&mut Inputs, &Raw) -> Result<(), Refusal>,
}

impl Key {
    /// `section.key`, as messages name it.
    pub(super) fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The environment variable that sets it.
    pub(super) fn variable(&self) -> String {
        let section = self.section.to_ascii_uppercase();
        let name = self.name.to_ascii_uppercase();
        format!("{PREFIX}{section}__{name}")
    }
}

/// The old and the present names of renamed sections. The old ones are still accepted.
const RENAMED: [(&str, &str); 1] = [("hooks", "executables")];

impl Section {
    /// The section of this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        SECTIONS.iter().find(|section| section.name == name)
    }

    /// The section that once had this name.
    pub(super) fn formerly(name: &str) -> Option<&'static Self> {
        let (_, present) = RENAMED.iter().find(|(old, _)| *old == name)?;
        Self::named(present)
    }

    /// The warning for the old name of a section.
    pub(super) fn renamed(&self, origin: Origin, old: &str, write: &str) -> Problem {
        Problem {
            origin,
            key: Some(old.to_owned()),
            what: format!("this section is now called {}", self.name),
            remedy: format!("write {write}"),
        }
    }

    /// The key of this name in this section.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The remedy for a key that this section does not have.
    pub(super) fn remedy_for_unknown(&self, name: &str) -> String {
        let names = self.keys.iter().map(|key| key.name);
        let elsewhere = all_keys().find(|key| key.name == name);
        let suggestion = match (closest(name, names), elsewhere) {
            (Some(near), _) => format!("did you mean {near}? "),
            (None, Some(key)) => format!("it belongs to [{}]; ", key.section),
            (None, None) => String::new(),
        };
        let names: Vec<&str> = self.keys.iter().map(|key| key.name).collect();
        format!(
            "{suggestion}[{}] has the keys {}",
            self.name,
            names.join(", ")
        )
    }
}

/// The remedy for a section that does not exist, or for a key outside of a section.
pub(super) fn remedy_for_unknown_section(name: &str) -> String {
    let names = || SECTIONS.iter().map(|section| section.name);
    let suggestion = match (
        all_keys().find(|key| key.name == name),
        closest(name, names()),
    ) {
        (Some(key), _) => format!("write {name} below [{}]; ", key.section),
        (None, Some(near)) => format!("did you mean [{near}]? "),
        (None, None) => String::new(),
    };
    let names: Vec<&str> = names().collect();
    format!("{suggestion}the sections are {}", names.join(", "))
}

/// Every key, in the table's order.
pub(super) fn all_keys() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

/// Generates from one entry for each key: a struct for each section with its defaults, `Inputs` with all of them,
/// and the table `SECTIONS`, which the rest of the module uses.
macro_rules! sections {
    ($(
        $(#[doc = $about:literal])+
        $visible:vis $section:ident: $Section:ident {$(
            $(#[doc = $meaning:literal])+
            $key:ident: $Type:ty = $default:expr, $rule:expr;
        )+}
    )+) => {
        $(
            $(#[doc = $about])+
            #[derive(Debug, Clone, PartialEq)]
            $visible struct $Section {$(
                $(#[doc = $meaning])+
                $visible $key: $Type,
            )+}

            impl Default for $Section {
                fn default() -> Self {
                    Self { $( $key: $default, )+ }
                }
            }
        )+

        /// Every section, each key checked by itself.
        #[derive(Debug, Clone, PartialEq, Default)]
        pub(super) struct Inputs {
            $( pub(super) $section: $Section, )+
        }

        /// Every section with its keys, in the order in which they are shown to people.
        pub(super) static SECTIONS: &[$crate::table::Section] = &[$(
            $crate::table::Section {
                name: stringify!($section),
                about: concat!($($about),+),
                keys: &[$(
                    $crate::table::Key {
                        section: stringify!($section),
                        name: stringify!($key),
                        meaning: concat!($($meaning),+),
                        accepts: || $rule.accepts(),
                        example: || $rule.example(),
                        get: |inputs| $rule.write(&inputs.$section.$key),
                        set: |inputs, raw| {
                            inputs.$section.$key = $rule.read(raw)?;
                            Ok(())
                        },
                    },
                )+],
            },
        )+];
    };
}

pub(super) use sections;
