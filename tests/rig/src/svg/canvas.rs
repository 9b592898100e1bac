//! The pen: SVG elements as text.

use std::fmt::Write as _;

use super::text::escape;

/// Which end of a text is at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub struct Font {
    /// Size in pixels.
    pub size: f64,
    /// Colour.
    pub colour: &'static str,
    /// Whether it is bold.
    pub bold: bool,
    /// Whether it has a white rim, so that lines behind it do not disturb.
    pub rim: bool,
}

/// Ink of headings and names.
pub const INK: &str = "#1f2328";
/// Ink of what is less important.
pub const GREY: &str = "#59636e";

impl Font {
    /// Ordinary text.
    pub const fn plain(size: f64) -> Self {
        Self {
            size,
            colour: INK,
            bold: false,
            rim: false,
        }
    }

    /// Less important text.
    pub const fn grey(size: f64) -> Self {
        Self {
            size,
            colour: GREY,
            bold: false,
            rim: false,
        }
    }

    /// Bold text.
    pub const fn bold(size: f64) -> Self {
        Self {
            size,
            colour: INK,
            bold: true,
            rim: false,
        }
    }

    /// The same with a white rim.
    pub const fn rimmed(self) -> Self {
        Self { rim: true, ..self }
    }
}

/// What has been drawn so far.
#[derive(Debug, Default)]
pub struct Canvas {
    body: String,
}

impl Canvas {
    /// The elements.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Adds an element as it is.
    pub fn raw(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    /// A rectangle with rounded corners; `fill` may be `url(#…)`.
    pub fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), fill: &str) {
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="3" fill="{fill}"/>"#
        );
    }

    /// A thin line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, dashed: bool) {
        let dash = if dashed {
            r#" stroke-dasharray="3 3""#
        } else {
            ""
        };
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.body,
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}"{dash}/>"#
        );
    }

    /// A dot.
    pub fn dot(&mut self, (x, y): (f64, f64), radius: f64, fill: &str) {
        let _ = writeln!(
            self.body,
            r##"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" fill="{fill}" stroke="#ffffff"/>"##
        );
    }

    /// A text, its baseline at `y`.
    pub fn text(&mut self, (x, y): (f64, f64), text: &str, font: Font, anchor: Anchor) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let weight = if font.bold {
            r#" font-weight="600""#
        } else {
            ""
        };
        let rim = if font.rim {
            r##" stroke="#ffffff" stroke-width="4" stroke-linejoin="round" paint-order="stroke""##
        } else {
            ""
        };
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{}" fill="{}"{weight}{rim}{anchor}>{}</text>"#,
            font.size,
            font.colour,
            escape(text)
        );
    }

    /// The whole picture, on a light card of its own, so that it can stand on any page.
    pub fn finish(self, width: f64, height: f64, title: &str, description: &str) -> String {
        format!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0}" viewBox="0 0 {width} {height:.0}" role="img" font-family="system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif">
<title>{}</title>
<desc>{}</desc>
<rect x="0.5" y="0.5" width="{}" height="{:.1}" rx="12" fill="#ffffff" stroke="#d0d7de"/>
{}</svg>
"##,
            escape(title),
            escape(description),
            width - 1.0,
            height.round() - 1.0,
            self.body
        )
    }
}
