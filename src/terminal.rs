//! Output that is printed, as opposed to logged.

use std::io::{self, Write as _};
use std::process::ExitCode;

/// Prints to standard output. It is no failure if the reader has closed the pipe.
pub fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Prints an error to standard error.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{}: {text}", env!("CARGO_PKG_NAME"));
}
