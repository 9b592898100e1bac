//! Quotes the texts of others in messages, and finds the nearest known word for a mistyped one.
//!
//! Everything from a file or a variable passes through here before it is printed, so that a message stays one
//! short line. The tests rely on both.

/// The longest text that a message quotes, in characters.
const LONGEST_QUOTE: usize = 80;

/// `text` on one line, with control characters escaped.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// `text` on one line, cut to the length that a message quotes.
pub(super) fn shortened(text: &str) -> String {
    let mut characters = text.chars();
    let mut short = one_line(&characters.by_ref().take(LONGEST_QUOTE).collect::<String>());
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

/// `text` on one line, cut, and in quotes.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", shortened(text))
}

/// Joins words to `first, second or third`.
pub(super) fn either(words: &[String]) -> String {
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

/// The candidate that was most likely meant by `word`, if any is near enough.
pub(super) fn closest<S: AsRef<str>>(word: &str, candidates: impl Iterator<Item = S>) -> Option<S> {
    // No key is nearly as long, so a longer word is not a mistyped key and not worth the time.
    if word.len() > 100 {
        return None;
    }
    let word = word.to_lowercase();
    candidates
        .map(|candidate| {
            let distance = edit_distance(&word, &candidate.as_ref().to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= candidate.as_ref().len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many characters must be inserted, removed or replaced to make `left` into `right`.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    // The distances from the part of `left` read so far to each beginning of `right`.
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, character) in left.chars().enumerate() {
        let mut diagonal = index;
        let mut before = index + 1;
        let mut next = vec![before];
        for (above, other) in row.iter().skip(1).zip(&right) {
            let replaced = diagonal + usize::from(character != *other);
            before = replaced.min(above + 1).min(before + 1);
            next.push(before);
            diagonal = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_single_edits() {
        for (left, right, distance) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("timeout", "timeout", 0),
            ("timout", "timeout", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(edit_distance(left, right), distance, "{left} {right}");
        }
    }

    #[test]
    fn only_a_near_word_is_suggested() {
        let words = ["timeout", "daemon_tasks"];
        assert_eq!(closest("Timeuot", words.iter()), Some(&"timeout"));
        assert_eq!(closest("colour", words.iter()), None);
    }

    #[test]
    fn a_quote_is_short_and_one_line() {
        assert_eq!(quoted("a\nb\u{1b}[31m"), "\"a\\nb\\u{1b}[31m\"");
        assert_eq!(shortened(&"x".repeat(1000)).chars().count(), 81);
    }
}
