//! The agent's environment variables: `ECS_LIFECYCLE_AGENT_<SECTION>__<KEY>`.
//!
//! They replace what any file says. An unknown variable with the prefix is an error, like an unknown key in a
//! file, because a mistyped setting must not pass silently.
//!
//! Two variables are special: `ECS_LIFECYCLE_AGENT_CONFIG` is another way to write `--config`, and systemd's
//! `STATE_DIRECTORY` counts only if nothing else sets `agent.state_directory`.

use std::path::PathBuf;

use super::fragment::Entry;
use super::problem::{Problem, Problems, Refusal};
use super::provenance::Origin;
use super::rules::Raw;
use super::table::{Key, PREFIX, Section, all_keys, remedy_for_unknown_section};
use super::text::{closest, shortened};

/// The variable that names the configuration file, as `--config` does.
pub(super) const CONFIG: &str = "ECS_LIFECYCLE_AGENT_CONFIG";

/// The variable that systemd sets for `StateDirectory=`.
const STATE_DIRECTORY: &str = "STATE_DIRECTORY";

/// The variables of this process that can concern the configuration, in alphabetical order.
///
/// Others are left out because they can be secrets. Bytes that are not UTF-8 become U+FFFD, which
/// [`load`](super::load) reports.
#[must_use]
pub fn environment() -> Vec<(String, String)> {
    let mut variables: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| {
            let name = name.to_string_lossy().into_owned();
            (name, value.to_string_lossy().into_owned())
        })
        .filter(|(name, _)| name.starts_with(PREFIX) || name == STATE_DIRECTORY)
        .collect();
    variables.sort();
    variables
}

/// The entries of the variables that name a key.
pub(super) fn entries(variables: &[(String, String)], problems: &mut Problems) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (name, value) in variables {
        if !name.starts_with(PREFIX) || name == CONFIG {
            continue;
        }
        let origin = || Origin::Environment(shortened(name));
        let former = formerly(name);
        let Some(key) = former.or_else(|| all_keys().find(|key| key.variable() == *name)) else {
            problems.add(|| unknown(name).at(origin(), None));
            continue;
        };
        if value.contains(char::REPLACEMENT_CHARACTER) {
            problems.add(|| not_unicode().at(origin(), Some(key.path())));
            continue;
        }
        let entry = Entry {
            key,
            raw: Raw::Text(value.clone()),
            origin: origin(),
        };
        if let (Some(_), Some(section)) = (former, Section::named(key.section)) {
            problems.warn(section.renamed(origin(), &key.path(), &key.variable()));
            // It goes first, so that the present name of the key replaces it.
            entries.insert(0, entry);
        } else {
            entries.push(entry);
        }
    }
    entries
}

/// The entry for `agent.state_directory` from systemd's variable, if that is set.
pub(super) fn state_directory(variables: &[(String, String)]) -> Option<Entry> {
    let value = value_of(STATE_DIRECTORY, variables)?;
    // `StateDirectory=` may name several directories, of which the first is the agent's.
    let first = value.split(':').next().filter(|first| !first.is_empty())?;
    Some(Entry {
        key: Section::named("agent")?.key("state_directory")?,
        raw: Raw::Text(first.to_owned()),
        origin: Origin::Environment(STATE_DIRECTORY.to_owned()),
    })
}

/// The file that `ECS_LIFECYCLE_AGENT_CONFIG` names.
pub(super) fn config_file(variables: &[(String, String)]) -> Option<Result<PathBuf, Box<Problem>>> {
    let value = value_of(CONFIG, variables)?;
    let refusal = if value.is_empty() {
        Refusal::new(
            "the value is empty",
            "name a configuration file, or unset the variable to read the standard files",
        )
    } else if value.contains(char::REPLACEMENT_CHARACTER) {
        not_unicode()
    } else {
        return Some(Ok(PathBuf::from(value)));
    };
    let origin = Origin::Environment(CONFIG.to_owned());
    Some(Err(Box::new(refusal.at(origin, None))))
}

/// The key of a variable with the old name of a section.
fn formerly(variable: &str) -> Option<&'static Key> {
    let (section, name) = variable.strip_prefix(PREFIX)?.split_once("__")?;
    let lower = |text: &str| text.to_ascii_lowercase();
    let key = Section::formerly(&lower(section))?.key(&lower(name))?;
    // Like all variables, it is accepted in capitals only.
    (variable.to_ascii_uppercase() == variable).then_some(key)
}

fn value_of<'a>(name: &str, variables: &'a [(String, String)]) -> Option<&'a str> {
    variables
        .iter()
        .find(|(other, _)| other == name)
        .map(|(_, value)| value.as_str())
}

fn not_unicode() -> Refusal {
    Refusal::new("the value is not UTF-8", "write it in UTF-8")
}

fn unknown(name: &str) -> Refusal {
    // The prefix is left out, because it is so long that all variables would seem similar.
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    let known = all_keys().map(|key| key.variable().replacen(PREFIX, "", 1));
    if let Some(near) = closest(rest, known) {
        return Refusal::new(
            "no key has this variable",
            format!("did you mean {PREFIX}{near}? Else unset it"),
        );
    }
    let Some((section, key)) = rest.split_once("__") else {
        return Refusal::new(
            "no key has this variable",
            format!(
                "write {PREFIX}<SECTION>__<KEY>, with two underscores between section and key, \
                 for example {PREFIX}DRAIN__TIMEOUT, or unset it"
            ),
        );
    };
    let section = section.to_lowercase();
    match Section::named(&section) {
        Some(section) => Refusal::new(
            format!("[{}] has no such key", section.name),
            section.remedy_for_unknown(&key.to_lowercase()),
        ),
        None => Refusal::new(
            format!("there is no section {}", shortened(&section)),
            remedy_for_unknown_section(&section),
        ),
    }
}
