//! The calls to AWS: a dot each, and what they are below.

use ecs_lifecycle_simulator::{Outcome, Service};

use super::labels::{self, GAP, Label, Room};
use crate::record::{Call, Record};
use ecs_lifecycle_rig::svg::canvas::{Anchor, Canvas, Font};
use ecs_lifecycle_rig::svg::scale::Scale;
use ecs_lifecycle_rig::svg::text::width;

/// Colours of calls in the legend.
pub const LEGEND: [(&str, &str); 3] = [
    (ECS, "ECS call"),
    (AUTO_SCALING, "Auto Scaling call"),
    (CLOUDFORMATION, "CloudFormation signal"),
];
const ECS: &str = "#e8820c";
const AUTO_SCALING: &str = "#c2255c";
const CLOUDFORMATION: &str = "#24292f";
/// Height of a dot in a line of text, from its baseline.
const MIDDLE: f64 = 4.0;
/// Calls nearer to each other than this share a label, a line each.
const TOGETHER: f64 = 14.0;
/// From one line to the next.
const LINE: f64 = 14.0;
/// Font of the labels.
const FONT: Font = Font::plain(11.0);
/// Below the lanes.
const BELOW: f64 = 22.0;
const LEADER: &str = "#afb8c1";
const MARK: &str = "#8c959f";

/// Draws them below `top`; returns the lower end.
pub fn draw(canvas: &mut Canvas, record: &Record, scale: Scale, top: f64, margin: f64) -> f64 {
    let y = top + BELOW;
    canvas.text(
        (margin, y + 4.0),
        "AWS calls",
        Font::bold(12.0),
        Anchor::Start,
    );
    canvas.line((scale.left, y), (scale.right, y), LEADER, false);
    let groups = groups(&record.calls, scale);
    let marks: Vec<Label> = groups.iter().map(|group| label(group, scale)).collect();
    let room = Room {
        left: margin,
        right: scale.right,
        top: y + 4.0,
    };
    let places = labels::place(&marks, room);
    let mut bottom = y + LINE;
    for ((group, mark), place) in groups.iter().zip(&marks).zip(&places) {
        let last = place.bottom - 3.5 - MIDDLE;
        canvas.line((mark.x, y), (mark.x, last), LEADER, false);
        let (x, anchor) = if place.before {
            (mark.x - GAP, Anchor::End)
        } else {
            (mark.x + GAP, Anchor::Start)
        };
        let mut baseline = place.top + LINE - 3.5;
        for call in *group {
            canvas.text((x, baseline), &line(call), FONT, anchor);
            canvas.dot((mark.x, baseline - MIDDLE), 3.5, colour(call.service));
            baseline += LINE;
        }
        bottom = bottom.max(place.bottom);
    }
    for call in &record.calls {
        canvas.dot((scale.x(call.at), y), 3.5, MARK);
    }
    bottom
}

fn label(group: &[Call], scale: Scale) -> Label {
    let mut height = 0.0;
    let mut widest: f64 = 0.0;
    for call in group {
        height += LINE;
        widest = widest.max(width(&line(call), FONT.size));
    }
    Label {
        x: group.first().map_or(scale.left, |call| scale.x(call.at)),
        width: widest,
        height,
    }
}

/// Calls that are close together, in the order of time.
fn groups(calls: &[Call], scale: Scale) -> Vec<&[Call]> {
    calls
        .chunk_by(|a, b| scale.x(b.at) - scale.x(a.at) < TOGETHER)
        .collect()
}

fn line(call: &Call) -> String {
    let name = match call.short() {
        "RecordLifecycleActionHeartbeat" => "Heartbeat",
        name => name,
    };
    let how = match call.outcome {
        Outcome::Accepted | Outcome::InFlight => "",
        Outcome::Refused { .. } | Outcome::Fault { .. } => " (refused)",
    };
    format!("{:.2} s {name}{how}", call.at.as_secs_f64())
}

fn colour(service: Service) -> &'static str {
    match service {
        Service::AutoScaling => AUTO_SCALING,
        Service::CloudFormation => CLOUDFORMATION,
        _ => ECS,
    }
}
