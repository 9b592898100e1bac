//! The redrawn screen: states, tasks as bars over time, and the story in two columns (one if narrow).

use std::io;
use std::time::Duration;

use super::style::{Style, fit};
use super::terminal::{self, Size};
use crate::record::{Record, Task};
use crate::story::{self, Line, Speaker};
use crate::summary::{HEARTBEAT, megabytes};

/// The terminal is measured again after so many frames.
const MEASURE_EVERY: usize = 10;
/// From this width on, the truth and the agent stand side by side.
const TWO_COLUMNS: usize = 108;
/// Nothing gets wider.
const WIDEST: usize = 150;
/// Columns before a task's bar, and after it.
const BEFORE_BAR: usize = 26;
const AFTER_BAR: usize = 22;
/// As many seconds as the bars show at least.
const SPAN: f64 = 32.0;

/// A screen of its own, given back at the end.
#[derive(Debug)]
pub struct Screen {
    style: Style,
    size: Size,
    frames: usize,
    open: bool,
}

impl Screen {
    /// Takes the terminal's other screen.
    pub fn new(style: Style) -> io::Result<Self> {
        terminal::write("\x1b[?1049h\x1b[?25l\x1b[2J")?;
        Ok(Self {
            style,
            size: terminal::size(),
            frames: 0,
            open: true,
        })
    }

    /// How it paints.
    pub fn style(&self) -> Style {
        self.style
    }

    /// Draws a frame.
    pub fn show(&mut self, record: &Record) -> io::Result<()> {
        self.frames += 1;
        if self.frames.is_multiple_of(MEASURE_EVERY) {
            self.size = terminal::size();
        }
        let mut text = String::from("\x1b[H");
        let rows = self.size.rows.saturating_sub(1);
        for line in self.frame(record, rows).iter().take(rows) {
            text += line;
            text += "\x1b[K\r\n";
        }
        text += "\x1b[J";
        terminal::write(&text)
    }

    /// Gives the screen back, and leaves the whole story on the ordinary one.
    pub fn finish(&mut self, record: &Record) -> io::Result<()> {
        self.close()?;
        let frame = self.frame(record, usize::MAX);
        terminal::write(&(frame.join("\n") + "\n"))
    }

    fn close(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.open) {
            terminal::write("\x1b[?25h\x1b[?1049l")?;
        }
        Ok(())
    }

    fn frame(&self, record: &Record, rows: usize) -> Vec<String> {
        let width = self.size.columns.min(WIDEST).saturating_sub(1);
        let mut frame = self.head(record, width);
        frame.push(String::new());
        frame.extend(
            record
                .tasks
                .iter()
                .map(|task| self.task(task, record, width)),
        );
        frame.push(String::new());
        let room = rows.saturating_sub(frame.len());
        frame.extend(self.story(record, width, room));
        frame
    }

    fn head(&self, record: &Record, width: usize) -> Vec<String> {
        let style = self.style;
        let last = |states: Vec<(Duration, String)>| {
            let last = states.into_iter().next_back();
            last.map_or_else(String::new, |(_, state)| state)
        };
        let state = if record.gone_at().is_some() {
            "gone".to_owned()
        } else {
            last(record.lifecycle_states())
        };
        let title = fit(
            "ecs-lifecycle-agent: an instance is replaced",
            width.saturating_sub(9),
        );
        let field = |name: &str, value: &str, columns: usize| {
            format!("{} {}", style.faint(name), style.bold(&fit(value, columns)))
        };
        let heartbeats = record.accepted(HEARTBEAT).count().to_string();
        let calls = record.calls.len().to_string();
        let memory = megabytes(record.memory_peak_bytes);
        vec![
            format!(
                "{}{}",
                style.bold(&title),
                style.faint(&format!("{:>7.1} s", record.now.as_secs_f64()))
            ),
            field("Auto Scaling", &state, 19)
                + &field("  target state", &last(record.target_states()), 11)
                + &field("  ECS   ", &last(record.container_instance_states()), 8),
            field("AWS calls   ", &calls, 19)
                + &field("  heartbeats  ", &heartbeats, 11)
                + &field("  memory", &memory, 8),
        ]
    }

    fn task(&self, task: &Task, record: &Record, width: usize) -> String {
        let style = self.style;
        let now = record.now.as_secs_f64();
        let columns = width.saturating_sub(BEFORE_BAR + AFTER_BAR).max(8);
        #[allow(clippy::cast_precision_loss, reason = "a terminal is not that wide")]
        let scale = columns as f64 / now.max(SPAN);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and within the columns"
        )]
        let cells = |at: f64| ((at * scale).round() as usize).min(columns);
        let gone = task.gone_at.map_or(now, |at| at.as_secs_f64());
        let told = task.told_at.map_or(gone, |at| at.as_secs_f64());
        let running = cells(told);
        let stopping = cells(gone).saturating_sub(running);
        let blank = columns.saturating_sub(running + stopping);
        let state = match (task.gone_at, task.told_at) {
            _ if task.killed => style.bad("KILLED"),
            (Some(at), _) => style.faint(&format!("gone at {:.1} s", at.as_secs_f64())),
            (None, Some(at)) => {
                style.leaving(&format!("told to stop, {:.0} s", now - at.as_secs_f64()))
            }
            (None, None) => style.good("running"),
        };
        format!(
            "{}{}{}{}{}  {state}",
            fit(&task.name, 13),
            style.faint(&fit(task.kind, BEFORE_BAR - 13)),
            style.good(&"█".repeat(running)),
            style.leaving(&"▒".repeat(stopping)),
            style.faint(&"·".repeat(blank)),
        )
    }

    fn story(&self, record: &Record, width: usize, room: usize) -> Vec<String> {
        let lines = story::lines(record);
        let truth = |line: &Line| matches!(line.speaker, Speaker::Truth | Speaker::Demo);
        let (left, right) = if width < TWO_COLUMNS {
            (width, 0)
        } else {
            (44, width - 47)
        };
        let mut text = vec![if right == 0 {
            self.style.faint(&fit(
                "What really happens; what the agent says and asks for",
                width,
            ))
        } else {
            let head = format!(
                "{}   {}",
                fit("What really happens", left),
                "What the agent says, and asks of AWS"
            );
            self.style.faint(&head)
        }];
        let shown = lines.len().min(room.saturating_sub(1));
        for line in lines.iter().skip(lines.len() - shown) {
            text.push(match (right, truth(line)) {
                _ if line.speaker == Speaker::Demo => self.line(line, width),
                (0, _) | (_, true) => self.line(line, left),
                (_, false) => format!("{}   {}", " ".repeat(left), self.line(line, right)),
            });
        }
        text
    }

    fn line(&self, line: &Line, width: usize) -> String {
        let style = self.style;
        let at = style.faint(&format!("{:>5.1} ", line.at.as_secs_f64()));
        let mark = match line.speaker {
            Speaker::Demo => "* ",
            Speaker::Truth => "  ",
            Speaker::Agent => "│ ",
            Speaker::Call => "→ ",
        };
        let text = fit(&format!("{mark}{}", line.text), width.saturating_sub(6));
        let text = match line.speaker {
            Speaker::Demo => style.bold(&text),
            Speaker::Truth => text,
            Speaker::Agent => style.agent(&text),
            Speaker::Call => style.call(&text),
        };
        at + &text
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that has gone away needs nothing back.
        let _ = self.close();
    }
}
