//! The picture: calls a second over time, of a thousand instances, by the core before and by the core now.

use std::fmt::Write as _;

use crate::report::Row;
use crate::world::BIN;

const SIZE: (f64, f64) = (900.0, 330.0);
const PANEL: (f64, f64) = (370.0, 200.0);
const TOP: f64 = 78.0;
const LINES: [(&str, &str); 2] = [("#8c959f", "before"), ("#2f6fde", "now")];

/// Draws the two scenes of a thousand instances at once.
pub fn draw(now: &[Row], before: &[Row]) -> String {
    let (width, height) = SIZE;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" font-family="system-ui, -apple-system, 'Segoe UI', Arial, sans-serif" font-size="12" fill="#1f2328">
<title>Calls to AWS of 1,000 instances that drain at once</title>
<rect x="0.5" y="0.5" width="{}" height="{}" rx="12" fill="#ffffff" stroke="#d0d7de"/>
<text x="24" y="30" font-size="15" font-weight="600">1,000 instances terminated at once: calls to AWS a second</text>
"##,
        width - 1.0,
        height - 1.0,
    );
    for (index, (colour, name)) in LINES.into_iter().enumerate() {
        let x = 700.0 + 90.0 * index as f64;
        let _ = writeln!(
            svg,
            r#"<line x1="{x}" y1="26" x2="{}" y2="26" stroke="{colour}" stroke-width="2.5"/><text x="{}" y="30">{name}</text>"#,
            x + 20.0,
            x + 26.0
        );
    }
    for (wait, span, left) in [(1, 120.0, 60.0), (300, 360.0, 505.0)] {
        let of = |rows: &[Row]| {
            let row = rows
                .iter()
                .find(|row| (row.fleet, row.wait, row.batch) == (1_000, wait, 0));
            row.map(|row| row.series.clone()).unwrap_or_default()
        };
        panel(&mut svg, left, span, wait, [of(before), of(now)]);
    }
    svg.push_str("</svg>\n");
    svg
}

/// One scene. Calls are on a logarithmic scale from 1 to 10,000 a second.
fn panel(svg: &mut String, left: f64, span: f64, wait: u64, series: [Vec<u64>; 2]) {
    let (width, height) = PANEL;
    let bottom = TOP + height;
    let x = |seconds: f64| left + seconds / span * width;
    let y = |calls: f64| bottom - calls.max(1.0).log10() / 4.0 * height;
    let _ = writeln!(
        svg,
        r#"<text x="{left}" y="{}" font-weight="600">Terminating:Wait after {wait} s</text>"#,
        TOP - 14.0
    );
    for calls in [1, 10, 100, 1_000, 10_000] {
        let at = y(f64::from(calls));
        let _ = writeln!(
            svg,
            r##"<line x1="{left}" y1="{at:.1}" x2="{}" y2="{at:.1}" stroke="#d0d7de"/><text x="{}" y="{:.1}" text-anchor="end" fill="#59636e">{calls}</text>"##,
            left + width,
            left - 6.0,
            at + 4.0
        );
    }
    for tick in 0..=6 {
        let seconds = span * f64::from(tick) / 6.0;
        let _ = writeln!(
            svg,
            r##"<text x="{:.1}" y="{}" text-anchor="middle" fill="#59636e">{seconds} s</text>"##,
            x(seconds),
            bottom + 20.0
        );
    }
    let _ = writeln!(
        svg,
        r##"<line x1="{0:.1}" y1="{TOP}" x2="{0:.1}" y2="{bottom}" stroke="#1f2328" stroke-dasharray="3 3"/>"##,
        x(wait as f64)
    );
    for ((colour, _), series) in LINES.into_iter().zip(series) {
        let bin = BIN as f64 / 1_000.0;
        let mut points = String::new();
        let bins = (span / bin) as usize;
        for (index, calls) in series.iter().chain([&0]).take(bins).enumerate() {
            let (from, level) = (index as f64 * bin, y(*calls as f64 / bin));
            let _ = write!(
                points,
                "{:.1},{level:.1} {:.1},{level:.1} ",
                x(from),
                x(from + bin)
            );
        }
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
            points.trim_end()
        );
    }
}
