//! Renders the configuration for people: the values in force, and the sample.
//!
//! Both come from the key table and are configurations themselves: the output of [`Effective::render`] gives the
//! same settings when it is loaded.

use super::Effective;
use super::keys::{Inputs, SECTIONS};
use super::text::one_line;

/// The longest line of the sample.
const WIDTH: usize = 100;

impl Effective {
    /// The values in force as TOML, each with a comment that says where it was written. Keys that
    /// are not set are shown commented out.
    #[must_use]
    pub fn render(&self) -> String {
        let inputs = Inputs::from(self.settings.clone());
        let mut text =
            String::from("# The configuration in force. Read, each replacing the earlier:\n");
        text.push_str("#   the defaults\n");
        for file in &self.files {
            text.push_str(&format!("#   {}\n", one_line(&file.to_string_lossy())));
        }
        text.push_str("#   the environment\n");

        for section in SECTIONS {
            text.push_str(&format!("\n[{}]\n", section.name));
            for key in section.keys {
                let origin = self.provenance.of(section.name, key.name);
                text.push_str(&match (key.get)(&inputs) {
                    Some(value) => format!("{} = {value}  # {origin}\n", key.name),
                    None => format!("#{} = \"\"  # not set\n", key.name),
                });
            }
        }
        text
    }
}

/// A configuration file that changes nothing: every key is commented out, with its meaning, what it accepts, and
/// its default, or an example if it has none.
#[must_use]
pub fn sample_config() -> String {
    let defaults = Inputs::default();
    let mut text = String::new();
    text.push_str(&comment(
        "The configuration of ecs-lifecycle-agent. What is commented out below is the default, \
         or an example where the default is that the key is not set.",
    ));
    text.push_str(&comment(
        "Files *.toml in config.d replace what this file says, and environment variables named \
         ECS_LIFECYCLE_AGENT_<SECTION>__<KEY> replace what any file says. \
         `ecs-lifecycle-agent check-config` prints the values in force.",
    ));

    for section in SECTIONS {
        text.push('\n');
        text.push_str(&comment(section.about));
        text.push_str(&format!("[{}]\n", section.name));
        for key in section.keys {
            let default = (key.get)(&defaults);
            let unset = if default.is_some() {
                ""
            } else {
                " Not set by default."
            };
            let accepts = (key.accepts)();
            text.push('\n');
            text.push_str(&comment(&format!(
                "{} Accepts {accepts}.{unset}",
                key.meaning
            )));
            let value = default.or_else(|| (key.example)()).unwrap_or_default();
            text.push_str(&format!("#{} = {value}\n", key.name));
        }
    }
    text
}

/// `text` as comment lines. They begin with "# ", and a key that is commented out with "#".
fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    lines.push_str(&line);
    lines.push('\n');
    lines
}
