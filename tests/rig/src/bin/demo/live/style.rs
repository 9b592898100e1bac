//! Colours that can be read on dark and on light: the terminal's own palette, never black or white.

/// Colours or not.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether there are any.
    pub coloured: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.coloured && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Stands out.
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Stands back.
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Runs, or is well.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Is on its way out.
    pub fn leaving(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// The agent.
    pub fn agent(self, text: &str) -> String {
        self.paint("36", text)
    }

    /// A call of the agent's.
    pub fn call(self, text: &str) -> String {
        self.paint("35", text)
    }

    /// Must not be.
    pub fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }
}

/// Cuts a text to a width, and fills it up to it.
pub fn fit(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return format!("{text}{}", " ".repeat(width - length));
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_fits_exactly() {
        assert_eq!(fit("ab", 4), "ab  ");
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("abc", 0), "");
    }

    #[test]
    fn without_colour_there_is_no_escape() {
        let style = Style { coloured: false };
        assert_eq!(style.bad("x"), "x");
        assert!(Style { coloured: true }.bad("x").contains('\x1b'));
    }
}
