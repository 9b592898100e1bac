//! The picture of a run: states, tasks and the agent's phases over time, and every call to AWS.
//!
//! It is one SVG file without scripts or fonts of its own, on a light card: a README can show it as an
//! image on a white page as well as on a dark one.

mod calls;
mod chart;
mod labels;
mod lanes;

use std::time::Duration;

use crate::record::Record;
use crate::summary::{Summary, seconds};
use chart::Chart;
use ecs_lifecycle_rig::svg::canvas::{Anchor, Canvas, Font};
use ecs_lifecycle_rig::svg::scale::Scale;
use ecs_lifecycle_rig::svg::text;

/// Width of the picture.
const WIDTH: f64 = 900.0;
/// Margin of the card.
const MARGIN: f64 = 24.0;
/// Where the lanes begin and end.
const PLOT: (f64, f64) = (176.0, WIDTH - MARGIN);
/// Where the time axis is written.
const AXIS: f64 = 108.0;
/// The picture goes on so long after the end of the instance.
const AFTER: Duration = Duration::from_millis(400);

const TITLE: &str = "ecs-lifecycle-agent drains an instance before it is terminated";

/// Kinds of bars in the legend: fill and name.
const LEGEND: [(&str, &str); 4] = [
    ("#2f6fde", "service task"),
    ("#8250df", "daemon"),
    ("#0f8a7e", "standalone"),
    ("url(#stopping-service)", "told to stop"),
];

/// Draws it.
pub fn draw(record: &Record, summary: &Summary) -> String {
    let end = record.gone_at().unwrap_or(record.now);
    let scale = Scale {
        left: PLOT.0,
        right: PLOT.1,
        end: end + AFTER,
    };
    let mut canvas = Canvas::default();
    canvas.raw(&patterns());
    let caption = caption(summary);
    canvas.text((MARGIN, 36.0), TITLE, Font::bold(17.0), Anchor::Start);
    canvas.text((MARGIN, 58.0), &caption, Font::grey(12.5), Anchor::Start);
    legend(&mut canvas);
    let mut chart = Chart::new(canvas, scale, MARGIN, AXIS + 8.0);
    for lane in lanes::states(record, end) {
        chart.lane(&lane);
    }
    chart.gap();
    for lane in lanes::tasks(record, end) {
        chart.lane(&lane);
    }
    chart.gap();
    chart.lane(&lanes::agent(record, end));
    let (mut canvas, bottom) = chart.finish();
    let bottom = calls::draw(&mut canvas, record, scale, bottom, MARGIN);
    canvas.finish(WIDTH, bottom + MARGIN, TITLE, &caption)
}

/// The measured figures in one line.
fn caption(summary: &Summary) -> String {
    format!(
        "Detected in {} · drained in {} · completed {} after the last container · {} AWS calls, {} while idle · {} containers killed",
        seconds(summary.detection),
        seconds(summary.drain),
        seconds(summary.completion),
        summary.total_calls(),
        summary.idle_calls,
        summary.killed
    )
}

fn legend(canvas: &mut Canvas) {
    let mut x = MARGIN;
    let font = Font::grey(11.0);
    for (fill, name) in LEGEND {
        canvas.bar((x, 72.5), (18.0, 11.0), fill);
        canvas.text((x + 24.0, 82.0), name, font, Anchor::Start);
        x += 24.0 + text::width(name, font.size) + 10.0;
    }
    for (fill, name) in calls::LEGEND {
        canvas.dot((x + 6.0, 78.0), 4.0, fill);
        canvas.text((x + 15.0, 82.0), name, font, Anchor::Start);
        x += 15.0 + text::width(name, font.size) + 10.0;
    }
}

/// Hatching for what has been told to stop.
fn patterns() -> String {
    let kinds = [
        ("service", "#2f6fde", "#d6e4fb"),
        ("daemon", "#8250df", "#e7dcfa"),
        ("standalone", "#0f8a7e", "#cfeae7"),
    ];
    let patterns = kinds.map(|(kind, dark, light)| {
        format!(
            r#"<pattern id="stopping-{kind}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" fill="{light}"/><rect width="2" height="6" fill="{dark}" fill-opacity="0.55"/></pattern>"#
        )
    });
    format!("<defs>{}</defs>", patterns.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Task;

    #[test]
    fn names_are_escaped_and_the_picture_is_whole() {
        let task = Task {
            name: "<script>&".to_owned(),
            kind: "service",
            ..Task::default()
        };
        let record = Record {
            now: Duration::from_secs(9),
            tasks: vec![task],
            ..Record::default()
        };
        let drawn = draw(&record, &Summary::of(&record));
        assert!(drawn.contains("&lt;script&gt;&amp;"), "{drawn}");
        assert!(!drawn.contains("<script"));
        assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"));
    }
}
