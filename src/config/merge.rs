//! Merges the entries of all sources into one value for each key.
//!
//! Each value is checked by its key's rule where it was written, even if a later source replaces it. Whether the
//! values fit each other is checked by `validate`.

use std::collections::BTreeSet;

use super::fragment::Entry;
use super::keys::Inputs;
use super::problem::Problems;
use super::provenance::{Origin, Provenance};

/// The values of the sources applied so far.
#[derive(Default)]
pub(super) struct Merged {
    pub(super) inputs: Inputs,
    pub(super) provenance: Provenance,
    refused: BTreeSet<(&'static str, &'static str)>,
}

impl Merged {
    /// Lets the entries of a source replace those of earlier ones.
    pub(super) fn apply(&mut self, entries: Vec<Entry>, problems: &mut Problems) {
        for Entry { key, raw, origin } in entries {
            match (key.set)(&mut self.inputs, &raw) {
                Ok(()) => self.provenance.record(key.section, key.name, origin),
                Err(refusal) => {
                    self.refused.insert((key.section, key.name));
                    problems.add(|| refusal.at(origin, Some(key.path())));
                }
            }
        }
    }

    /// Applies an entry that counts only when no source has written its key.
    pub(super) fn apply_if_unset(&mut self, entry: Entry, problems: &mut Problems) {
        let (section, name) = (entry.key.section, entry.key.name);
        let written = *self.provenance.of(section, name) != Origin::Default;
        if !written && !self.was_refused(section, name) {
            self.apply(vec![entry], problems);
        }
    }

    /// Whether some source wrote a value that the key's rule refused.
    pub(super) fn was_refused(&self, section: &'static str, name: &'static str) -> bool {
        self.refused.contains(&(section, name))
    }
}
