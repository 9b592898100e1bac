//! What is printed for a person, as opposed to logged.

use std::io::{self, Write as _};
use std::process::ExitCode;

/// Prints to standard output. A reader that has gone away is no failure of ours.
pub fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Says on standard error what is wrong.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{}: {text}", env!("CARGO_PKG_NAME"));
}
