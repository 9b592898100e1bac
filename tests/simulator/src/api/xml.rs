//! Just enough XML to write answers.

use std::fmt::Display;

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// `<name>text</name>`
pub(super) fn element(name: &str, text: impl Display) -> String {
    format!("<{name}>{}</{name}>", escape(&text.to_string()))
}

/// `<name><member>…</member>…</name>`, from members that are XML already.
pub(super) fn members(name: &str, items: impl IntoIterator<Item = String>) -> String {
    let items: String = items
        .into_iter()
        .map(|item| format!("<member>{item}</member>"))
        .collect();
    format!("<{name}>{items}</{name}>")
}
