//! Where labels go: below a row of marks, each with a line down from its mark, none over another.
//!
//! A label stands to the right of its line. One that would not fit there stands to the left. Those to the
//! right are placed from right to left and those to the left afterwards from left to right, each as high
//! as it can be: so no line ever has to cross a label that is there already.

/// A label: lines of text for one mark.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Label {
    /// Where its mark is.
    pub x: f64,
    /// How wide its text is.
    pub width: f64,
    /// How high its text is.
    pub height: f64,
}

/// Where a label has to be: the borders to the left and right, and the top.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Nothing further left.
    pub left: f64,
    /// Nothing further right.
    pub right: f64,
    /// Lines begin here, labels below.
    pub top: f64,
}

/// Where a label is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Left border of the text.
    pub left: f64,
    /// Right border of the text.
    pub right: f64,
    /// Top of the text.
    pub top: f64,
    /// Bottom of the text, and the end of its line.
    pub bottom: f64,
    /// Whether the text is to the left of its line.
    pub before: bool,
}

/// Between a line and its text, and between labels.
pub const GAP: f64 = 7.0;
/// Labels move down by this much.
const STEP: f64 = 2.0;
/// Far below everything: a search that gets there ends.
const LOWEST: f64 = 4000.0;

/// Finds a place for each.
pub fn place(labels: &[Label], room: Room) -> Vec<Place> {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|a, b| {
        let x = |at: &usize| labels.get(*at).map_or(0.0, |label| label.x);
        x(a).total_cmp(&x(b))
    });
    let mut before = vec![false; labels.len()];
    let mut border = room.right;
    for at in order.iter().rev() {
        if let (Some(label), Some(before)) = (labels.get(*at), before.get_mut(*at))
            && label.x + GAP + label.width > border
            && label.x - GAP - label.width >= room.left
        {
            *before = true;
            border = border.min(label.x - GAP);
        }
    }
    let is_before = |at: &usize| before.get(*at).copied().unwrap_or_default();
    let after = order.iter().rev().filter(|at| !is_before(at));
    let sequence: Vec<usize> = after
        .chain(order.iter().filter(|at| is_before(at)))
        .copied()
        .collect();
    let mut placed: Vec<(usize, f64, Place)> = Vec::new();
    for at in sequence {
        if let Some(label) = labels.get(at) {
            let place = highest(label, is_before(&at), room, &placed);
            placed.push((at, label.x, place));
        }
    }
    placed.sort_by_key(|(at, _, _)| *at);
    placed.into_iter().map(|(_, _, place)| place).collect()
}

fn highest(label: &Label, before: bool, room: Room, placed: &[(usize, f64, Place)]) -> Place {
    let left = if before {
        label.x - GAP - label.width
    } else {
        label.x + GAP
    };
    let mut top = room.top + GAP;
    loop {
        let place = Place {
            left,
            right: left + label.width,
            top,
            bottom: top + label.height,
            before,
        };
        let clear = placed
            .iter()
            .all(|(_, x, other)| !collide(&place, other) && !crosses(*x, other, &place));
        if clear || top > LOWEST {
            return place;
        }
        top += STEP;
    }
}

/// Whether two texts overlap, or nearly so.
fn collide(a: &Place, b: &Place) -> bool {
    a.left < b.right + GAP && b.left < a.right + GAP && a.top < b.bottom && b.top < a.bottom
}

/// Whether the line of the label at `x`, which is at `own`, runs through a text.
fn crosses(x: f64, own: &Place, text: &Place) -> bool {
    text.left - 1.0 < x && x < text.right + 1.0 && text.top < own.bottom
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        left: 0.0,
        right: 900.0,
        top: 0.0,
    };

    #[test]
    fn no_label_overlaps_another_nor_a_line() {
        let mut seed = 7_u32;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from((seed >> 8) % below)
        };
        for count in 0..200 {
            let mut x = 250.0;
            let mut labels: Vec<Label> = Vec::new();
            for _ in 0..count % 14 {
                // Marks closer together share a label.
                x += 14.0 + random(80);
                labels.push(Label {
                    x,
                    width: 20.0 + random(220),
                    height: 12.0 * (1.0 + random(4)),
                });
            }
            labels.retain(|label| label.x <= ROOM.right);
            let places = place(&labels, ROOM);
            assert_eq!(places.len(), labels.len());
            for (i, (label, a)) in labels.iter().zip(&places).enumerate() {
                assert!(a.left >= ROOM.left && a.right <= ROOM.right, "{a:?}");
                assert!(a.bottom < LOWEST);
                for b in places.iter().skip(i + 1) {
                    assert!(!collide(a, b), "{a:?} {b:?}");
                }
                for b in &places {
                    assert!(!crosses(label.x, a, b), "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn one_alone_is_at_the_top_and_to_the_right() {
        let label = Label {
            x: 300.0,
            width: 100.0,
            height: 12.0,
        };
        let places = place(&[label], ROOM);
        assert_eq!(places[0].left, 300.0 + GAP);
        assert_eq!(places[0].top, GAP);
        let at_the_border = place(&[Label { x: 880.0, ..label }], ROOM);
        assert_eq!(at_the_border[0].right, 880.0 - GAP);
    }
}
