//! The terminal itself: writing to it, and how large it is.

use std::fs::File;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};

/// Columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
}

/// Writes all of it at once, so that a frame is not seen half drawn.
pub fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Asks `stty`; where that does not tell, 80 by 24.
pub fn size() -> Size {
    measured().unwrap_or(Size {
        columns: 80,
        rows: 24,
    })
}

fn measured() -> Option<Size> {
    let output = Command::new("stty")
        .arg("size")
        .stdin(File::open("/dev/tty").ok()?)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    parse(&String::from_utf8(output.stdout).ok()?)
}

fn parse(text: &str) -> Option<Size> {
    let (rows, columns) = text.trim().split_once(' ')?;
    let size = Size {
        columns: columns.parse().ok()?,
        rows: rows.parse().ok()?,
    };
    (size.columns > 0 && size.rows > 0).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_stty_says() {
        let size = parse("40 120\n").unwrap();
        assert_eq!((size.columns, size.rows), (120, 40));
        assert_eq!(parse("0 0\n"), None);
        assert_eq!(parse(""), None);
    }
}
