//! Line by line, for a log: nothing is redrawn, nothing is coloured.

use std::io;
use std::time::Duration;

use super::terminal;
use crate::record::Record;
use crate::story;

/// A line is held back so long, in case one comes in late that belongs before it.
const HELD_BACK: Duration = Duration::from_millis(250);

/// What has been printed already.
#[derive(Debug, Default)]
pub struct Plain {
    printed: usize,
}

impl Plain {
    /// Prints what is new.
    pub fn show(&mut self, record: &Record) -> io::Result<()> {
        self.print(record, record.now.saturating_sub(HELD_BACK))
    }

    /// Prints what is left.
    pub fn finish(&mut self, record: &Record) -> io::Result<()> {
        self.print(record, Duration::MAX)
    }

    fn print(&mut self, record: &Record, until: Duration) -> io::Result<()> {
        let lines = story::lines(record);
        let mut text = String::new();
        for line in lines.iter().skip(self.printed) {
            if line.at > until {
                break;
            }
            let at = line.at.as_secs_f64();
            text += &format!("{at:>7.2} s  {:<5}  {}\n", line.speaker.name(), line.text);
            self.printed += 1;
        }
        terminal::write(&text)
    }
}
