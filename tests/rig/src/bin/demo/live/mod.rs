//! The live view: redrawn on a terminal, line by line anywhere else.

mod plain;
mod screen;
mod style;
mod terminal;

use std::io::{self, IsTerminal as _};

use crate::record::Record;
use crate::summary::Summary;
use plain::Plain;
use screen::Screen;
use style::Style;

/// One of the two.
pub enum View {
    /// Lines.
    Plain(Plain),
    /// A redrawn screen.
    Screen(Screen),
}

impl View {
    /// What fits the standard output.
    pub fn new() -> io::Result<Self> {
        let terminal = io::stdout().is_terminal()
            && std::env::var_os("TERM").is_some_and(|term| term != "dumb");
        if terminal {
            let coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            Ok(Self::Screen(Screen::new(Style { coloured })?))
        } else {
            Ok(Self::Plain(Plain::default()))
        }
    }

    /// Shows where things stand.
    pub fn show(&mut self, record: &Record) -> io::Result<()> {
        match self {
            Self::Plain(plain) => plain.show(record),
            Self::Screen(screen) => screen.show(record),
        }
    }

    /// Shows how it ended.
    pub fn finish(&mut self, record: &Record) -> io::Result<()> {
        match self {
            Self::Plain(plain) => plain.finish(record),
            Self::Screen(screen) => screen.finish(record),
        }
    }

    /// The figures, below everything else.
    pub fn conclude(&self, summary: &Summary, files: &[String]) -> io::Result<()> {
        let style = match self {
            Self::Plain(_) => Style { coloured: false },
            Self::Screen(screen) => screen.style(),
        };
        let mut text = format!("\n{}\n", style.bold("Summary"));
        for (name, value) in summary.lines() {
            text += &format!("  {name:<14}{value}\n");
        }
        text += &format!("  {:<14}{}\n\n", "written", files.join(", "));
        if summary.problems.is_empty() {
            text +=
                &style.good("OK: drained, signalled and completed once; no container was killed");
            text.push('\n');
        }
        for problem in &summary.problems {
            text += &style.bad(&format!("WRONG: {problem}"));
            text.push('\n');
        }
        terminal::write(&text)
    }
}
