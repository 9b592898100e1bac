//! The lanes below each other, with the seconds above and lines down through them.

use super::lanes::{Bar, Lane};
use ecs_lifecycle_rig::svg::canvas::{Anchor, Canvas, Font};
use ecs_lifecycle_rig::svg::scale::Scale;
use ecs_lifecycle_rig::svg::text::width;

/// Height of a bar.
const HEIGHT: f64 = 19.0;
/// From one lane to the next.
const PITCH: f64 = 26.0;
/// For labels above a bar that are too wide for it.
const HEADROOM: f64 = 14.0;
/// Between groups of lanes.
const GAP: f64 = 10.0;
/// No bar is narrower, however short.
const NARROWEST: f64 = 3.0;
/// Font of labels on bars.
const LABEL: Font = Font::plain(11.0);
const GRID: &str = "#e6eaef";

/// A chart in the making.
#[derive(Debug)]
pub struct Chart {
    lanes: Canvas,
    canvas: Canvas,
    scale: Scale,
    margin: f64,
    top: f64,
    y: f64,
}

impl Chart {
    /// Begins at `top`, below the time axis.
    pub fn new(canvas: Canvas, scale: Scale, margin: f64, top: f64) -> Self {
        Self {
            lanes: Canvas::default(),
            canvas,
            scale,
            margin,
            top,
            y: top,
        }
    }

    /// Leaves some room.
    pub fn gap(&mut self) {
        self.y += GAP;
    }

    /// Adds a lane.
    pub fn lane(&mut self, lane: &Lane) {
        if lane.bars.iter().any(|bar| self.inside(bar).is_none()) {
            self.y += HEADROOM;
        }
        let baseline = self.y + HEIGHT - 5.5;
        let name = Font::bold(12.0);
        self.lanes
            .text((self.margin, baseline), &lane.name, name, Anchor::Start);
        let beside = (self.scale.left - 10.0, baseline);
        self.lanes
            .text(beside, lane.kind, Font::grey(10.5), Anchor::End);
        // Backwards, so that a very short one is not covered by the next.
        for bar in lane.bars.iter().rev() {
            self.bar(bar, baseline);
        }
        if let Some(last) = lane.bars.last() {
            let x = self.scale.x(last.until) + 6.0;
            let font = Font::grey(10.5).rimmed();
            if x + width(&lane.end, font.size) <= self.scale.right {
                self.lanes
                    .text((x, baseline), &lane.end, font, Anchor::Start);
            }
        }
        self.y += PITCH;
    }

    fn bar(&mut self, bar: &Bar, baseline: f64) {
        let (from, until) = self.span(bar);
        self.lanes
            .bar((from, self.y), (until - from, HEIGHT), bar.fill);
        match self.inside(bar) {
            Some(label) => {
                let middle = f64::midpoint(from, until);
                self.lanes
                    .text((middle, baseline), label, LABEL, Anchor::Middle);
            }
            None => {
                let half = width(&bar.label, LABEL.size) / 2.0;
                let middle = f64::midpoint(from, until).min(self.scale.right - half);
                let above = (middle, self.y - 4.0);
                self.lanes
                    .text(above, &bar.label, LABEL.rimmed(), Anchor::Middle);
            }
        }
    }

    fn span(&self, bar: &Bar) -> (f64, f64) {
        let from = self.scale.x(bar.from);
        // A hair of daylight between one bar and the next.
        (from, (self.scale.x(bar.until) - 1.0).max(from + NARROWEST))
    }

    /// The label, if the bar has room for it.
    fn inside<'a>(&self, bar: &'a Bar) -> Option<&'a str> {
        let (from, until) = self.span(bar);
        let fits = width(&bar.label, LABEL.size) + 4.0 <= until - from;
        (fits || bar.label.is_empty()).then_some(bar.label.as_str())
    }

    /// Draws the axis and the grid below the lanes; returns the lower end too.
    pub fn finish(mut self) -> (Canvas, f64) {
        let bottom = self.y - PITCH + HEIGHT;
        for second in self.scale.ticks() {
            let x = self.scale.x(std::time::Duration::from_secs(second));
            let at = (x, self.top - 8.0);
            let text = format!("{second} s");
            self.canvas
                .text(at, &text, Font::grey(10.5), Anchor::Middle);
            self.canvas
                .line((x, self.top - 3.0), (x, bottom), GRID, false);
        }
        self.canvas.raw(self.lanes.body());
        (self.canvas, bottom)
    }
}
