//! The picture: tasks, hosts, the two figures and the two alarms, below each other over the same time.

use std::fmt::Write as _;
use std::time::Duration;

use ecs_lifecycle_rig::cluster::Sample;
use ecs_lifecycle_rig::svg::canvas::{Anchor, Canvas, Font};
use ecs_lifecycle_rig::svg::scale::Scale;
use ecs_lifecycle_rig::svg::text;
use ecs_lifecycle_simulator::{What, World};

const WIDTH: f64 = 900.0;
const MARGIN: f64 = 24.0;
const LEFT: f64 = 176.0;
const TOP: f64 = 96.0;
const TITLE: &str = "A load rises and falls, and the cluster follows";
const GRID: &str = "#e6eaef";
const BLUE: &str = "#2f6fde";
const PALE: &str = "#d6e4fb";
const TEAL: &str = "#0f8a7e";
const VIOLET: &str = "#8250df";
const RED: &str = "#d1242f";
const AMBER: &str = "#bf8700";

/// What the truth says in the end.
pub struct Facts {
    added: usize,
    removed: usize,
    drained: usize,
    killed: usize,
}

impl Facts {
    /// Of a world.
    pub fn of(world: &World) -> Self {
        let count = |is: fn(&What) -> bool| {
            let events = world.events().iter();
            events.filter(|event| is(&event.what)).count()
        };
        Self {
            added: count(
                |what| matches!(what, What::DesiredCapacity { from, to, .. } if to > from),
            ),
            removed: count(
                |what| matches!(what, What::DesiredCapacity { from, to, .. } if to < from),
            ),
            drained: count(|what| matches!(what, What::TaskToldToStop { .. })),
            killed: world.killed().len(),
        }
    }
}

/// One band of the picture.
struct Band<'a> {
    canvas: &'a mut Canvas,
    scale: Scale,
    top: f64,
    height: f64,
    most: f64,
}

impl Band<'_> {
    fn y(&self, value: f64) -> f64 {
        self.top + self.height * (1.0 - value / self.most)
    }

    /// The frame: a line for each of these values, with the value beside it.
    fn frame(&mut self, ticks: &[f64]) {
        for tick in ticks.iter().filter(|tick| **tick <= self.most) {
            let y = self.y(*tick);
            let right = self.scale.right;
            self.canvas
                .line((self.scale.left, y), (right, y), GRID, false);
            let at = (self.scale.left - 8.0, y + 4.0);
            self.canvas
                .text(at, &format!("{tick}"), Font::grey(10.5), Anchor::End);
        }
    }

    /// Steps through the values; gaps where there is none.
    fn steps(&mut self, history: &[Sample], colour: &str, value: impl Fn(&Sample) -> Option<f64>) {
        let mut path = String::new();
        let mut last = None;
        for sample in history {
            let x = self.scale.x(sample.at);
            if let Some(value) = value(sample) {
                let y = self.y(value);
                let _ = match last {
                    Some(_) => write!(path, "H{x:.1}V{y:.1}"),
                    None => write!(path, "M{x:.1} {y:.1}"),
                };
                last = Some(y);
            } else {
                last = None;
            }
        }
        self.canvas.raw(&format!(
            r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>"#
        ));
    }

    /// The area between two values, in steps.
    fn area(&mut self, history: &[Sample], colour: &str, range: impl Fn(&Sample) -> (f64, f64)) {
        let mut spans: Vec<(f64, f64, (f64, f64))> = Vec::new();
        for pair in history.windows(2) {
            let [from, to] = pair else { continue };
            let (low, high) = range(from);
            if high <= low {
                continue;
            }
            let (left, right) = (self.scale.x(from.at), self.scale.x(to.at));
            match spans.last_mut() {
                Some((_, end, last)) if *last == (low, high) && (*end - left).abs() < 0.01 => {
                    *end = right
                }
                _ => spans.push((left, right, (low, high))),
            }
        }
        for (left, right, (low, high)) in spans {
            let (top, bottom) = (self.y(high), self.y(low));
            self.canvas.raw(&format!(
                r#"<rect x="{left:.1}" y="{top:.1}" width="{:.1}" height="{:.1}" fill="{colour}" shape-rendering="crispEdges"/>"#,
                right - left,
                bottom - top
            ));
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a few dozen")]
fn real(count: usize) -> f64 {
    count as f64
}

/// Draws it.
pub fn draw(history: &[Sample], facts: &Facts) -> String {
    let end = history.last().map_or(Duration::ZERO, |sample| sample.at);
    let scale = Scale {
        left: LEFT,
        right: WIDTH - MARGIN,
        end,
    };
    let waited = history
        .iter()
        .map(|sample| sample.waiting)
        .max()
        .unwrap_or(0);
    let caption = format!(
        "{} hosts added, {} drained and taken away · {} tasks stopped in order, {} killed · at most {waited} waited for a host",
        facts.added, facts.removed, facts.drained, facts.killed
    );
    let mut canvas = Canvas::default();
    canvas.text((MARGIN, 36.0), TITLE, Font::bold(17.0), Anchor::Start);
    canvas.text((MARGIN, 58.0), &caption, Font::grey(12.5), Anchor::Start);
    let most = |value: fn(&Sample) -> f64| history.iter().map(value).fold(1.0, f64::max);
    let tasks = (most(|s| real(s.desired.max(s.healthy))) / 5.0).ceil() * 5.0;
    let hosts = most(|s| real(s.hosts.in_service + s.hosts.pending + s.hosts.terminating)) + 1.0;
    let room = (most(|s| s.capacity.unwrap_or(0.0)) / 4.0).ceil() * 4.0;
    let idle = most(|s| s.idle.unwrap_or(0.0)).ceil();
    let mut top = TOP;
    let mut band = |canvas: &mut Canvas,
                    height: f64,
                    most: f64,
                    name: &str,
                    legend: &[(&str, &str)],
                    draw: &dyn Fn(&mut Band<'_>)| {
        canvas.text((MARGIN, top + 12.0), name, Font::bold(12.0), Anchor::Start);
        for (row, (colour, what)) in (0_u8..).zip(legend) {
            let y = top + 30.0 + 16.0 * f64::from(row);
            canvas.bar((MARGIN, y - 8.0), (12.0, 8.0), colour);
            canvas.text((MARGIN + 18.0, y), what, Font::grey(10.5), Anchor::Start);
        }
        draw(&mut Band {
            canvas,
            scale,
            top,
            height,
            most,
        });
        top += height + 22.0;
    };
    band(
        &mut canvas,
        110.0,
        tasks,
        "Tasks",
        &[
            (BLUE, "desired"),
            (PALE, "healthy"),
            (RED, "without a place"),
        ],
        &|band| {
            band.area(history, PALE, |s| (0.0, real(s.healthy)));
            band.area(history, RED, |s| {
                (real(s.desired.saturating_sub(s.waiting)), real(s.desired))
            });
            band.frame(&[0.0, 5.0, 10.0, 15.0, 20.0]);
            band.steps(history, BLUE, |s| Some(real(s.desired)));
        },
    );
    band(
        &mut canvas,
        90.0,
        hosts,
        "Hosts",
        &[
            ("#9ec1f7", "in service"),
            (TEAL, "joining"),
            (AMBER, "draining"),
        ],
        &|band| {
            band.area(history, "#9ec1f7", |s| (0.0, real(s.hosts.in_service)));
            band.area(history, TEAL, |s| {
                let low = s.hosts.in_service;
                (real(low), real(low + s.hosts.pending))
            });
            band.area(history, AMBER, |s| {
                let low = s.hosts.in_service + s.hosts.pending;
                (real(low), real(low + s.hosts.terminating))
            });
            band.frame(&[0.0, 2.0, 4.0, 6.0]);
        },
    );
    band(
        &mut canvas,
        70.0,
        room,
        "ContainerCapacity",
        &[(VIOLET, "room for tasks"), (RED, "below: out")],
        &|band| {
            band.frame(&[0.0, 4.0, 8.0, 12.0, 16.0]);
            let y = band.y(1.0);
            band.canvas
                .line((scale.left, y), (scale.right, y), RED, true);
            band.steps(history, VIOLET, |s| s.capacity);
        },
    );
    band(
        &mut canvas,
        60.0,
        idle,
        "IdleHostCapacity",
        &[(TEAL, "free hosts, in parts"), (AMBER, "above: in")],
        &|band| {
            band.frame(&[0.0, 1.0, 2.0, 3.0, 4.0]);
            let y = band.y(1.0);
            band.canvas
                .line((scale.left, y), (scale.right, y), AMBER, true);
            band.steps(history, TEAL, |s| s.idle);
        },
    );
    for (at, name, colour) in [(0, "ScaleOutAlarm", RED), (1, "ScaleInAlarm", AMBER)] {
        band(&mut canvas, 14.0, 1.0, name, &[], &|band| {
            band.area(history, "#eef1f4", |_| (0.0, 1.0));
            band.area(history, colour, |s| {
                (0.0, real(usize::from(s.alarms.get(at) == Some(&true))))
            });
        });
    }
    let bottom = top - 16.0;
    let mut grid = Canvas::default();
    for tick in scale.ticks() {
        let x = scale.x(Duration::from_secs(tick));
        let at = (x, TOP - 12.0);
        let label = format!("{} min", tick / 60);
        let anchor = if x + text::width(&label, 10.5) / 2.0 > scale.right {
            Anchor::End
        } else {
            Anchor::Middle
        };
        grid.text(at, &label, Font::grey(10.5), anchor);
        grid.line((x, TOP - 6.0), (x, bottom), GRID, false);
    }
    grid.raw(canvas.body());
    grid.finish(WIDTH, bottom + MARGIN, TITLE, &caption)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_history_makes_a_whole_picture() {
        let sample = |minute: u32, capacity| Sample {
            at: Duration::from_secs(60 * u64::from(minute)),
            desired: 4,
            capacity,
            ..Sample::default()
        };
        let facts = Facts {
            added: 1,
            removed: 2,
            drained: 3,
            killed: 0,
        };
        let drawn = draw(
            &[sample(1, Some(3.0)), sample(2, None), sample(3, Some(4.0))],
            &facts,
        );
        assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>\n"));
        assert!(drawn.contains("1 hosts added, 2 drained and taken away"));
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"));
    }
}
