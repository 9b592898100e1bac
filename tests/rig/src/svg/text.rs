//! Text in an SVG: escaped, and about how wide it gets.

/// Escapes what means something in XML, and leaves out what may not be in it at all.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// How wide a text gets at most, in whatever sans-serif font the reader has: nobody can measure that
/// here, so it is the width in a wide one.
pub fn width(text: &str, size: f64) -> f64 {
    text.chars().map(em).sum::<f64>() * size
}

fn em(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.33,
        ' ' => 0.33,
        'f' | 'r' | 't' | '-' | '(' | ')' | '/' => 0.42,
        'm' | 'w' | 'M' | 'W' => 0.97,
        c if c.is_ascii_uppercase() => 0.72,
        _ => 0.63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_is_escaped() {
        assert_eq!(escape("a<b>&\"c'\u{7}"), "a&lt;b&gt;&amp;&quot;c&apos; ");
    }

    #[test]
    fn wider_text_is_wider() {
        assert!(width("mmm", 10.0) > width("iii", 10.0));
        assert!(width("abc", 20.0) > width("abc", 10.0));
    }
}
