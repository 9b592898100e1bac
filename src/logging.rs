//! Logging: to the journal with structured fields, or to standard error as text.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use log::kv;
use systemd_journal_logger::{JournalLog, connected_to_journal};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{LogLevel, LogSettings, LogTarget};
use crate::outbox::Outbox;

/// Only the agent's own messages are logged: those of libraries may contain secrets.
const OURS: &str = env!("CARGO_CRATE_NAME");

/// Starts logging.
///
/// # Errors
/// Fails if the journal cannot be opened, the log thread cannot start, or logging was started before.
pub fn start(settings: &LogSettings) -> Result<(), Box<dyn std::error::Error>> {
    let journal = match settings.target {
        LogTarget::Journal => true,
        LogTarget::Terminal => false,
        LogTarget::Auto => connected_to_journal(),
    };
    let level = match settings.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let ours = Targets::new().with_target(OURS, level);
    let registry = tracing_subscriber::registry();
    if journal {
        let outbox = Outbox::start(|| {
            let logger = JournalLog::new()?
                .with_extra_fields([("VERSION", env!("CARGO_PKG_VERSION"))])
                .with_syslog_identifier(env!("CARGO_PKG_NAME").to_owned());
            Ok(move |entry: Entry| entry.send(&logger))
        })?;
        registry
            .with(Journal(outbox).with_filter(ours))
            .try_init()?;
    } else {
        let outbox = Outbox::start(|| Ok(|line: Vec<u8>| io::stderr().write_all(line.as_slice())))?;
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(move || outbox.clone())
            .with_ansi(io::stderr().is_terminal())
            .with_target(false);
        registry.with(layer.with_filter(ours)).try_init()?;
    }
    Ok(())
}

/// Each `write` is one whole line, because tracing writes each message at once.
impl io::Write for Outbox<Vec<u8>> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Passes tracing's events to systemd-journal-logger, which takes records of the `log` crate. tracing's own bridge
/// to that crate flattens the fields into the text.
struct Journal(Outbox<Entry>);

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        self.0.put(Entry { metadata, fields });
    }
}

struct Entry {
    metadata: &'static Metadata<'static>,
    fields: Fields,
}

impl Entry {
    fn send(self, logger: &JournalLog) -> io::Result<()> {
        let Self { metadata, fields } = self;
        let level = match *metadata.level() {
            Level::ERROR => log::Level::Error,
            Level::WARN => log::Level::Warn,
            Level::INFO => log::Level::Info,
            Level::DEBUG => log::Level::Debug,
            Level::TRACE => log::Level::Trace,
        };
        // `journalctl` shows only the message by default, so the fields are repeated in it.
        let mut message = fields.message;
        for (name, value) in &fields.others {
            let _ = write!(message, " {name}={value}");
        }
        let pairs: Vec<(&str, &str)> = fields
            .others
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        logger.journal_send(
            &log::Record::builder()
                .level(level)
                .target(metadata.target())
                .module_path(metadata.module_path())
                .file(metadata.file())
                .line(metadata.line())
                .key_values(&pairs as &dyn kv::Source)
                .args(format_args!("{message}"))
                .build(),
        )
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Fields {
    fn take(&mut self, field: &Field, value: String) {
        if field.name() == "message" {
            self.message = value;
        } else {
            self.others.push((field.name(), value));
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }
}
