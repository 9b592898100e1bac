//! The figures as docs/figures.md and README.md have them, to be pasted from one run.

use crate::report::Report;

/// A figure: what it is, how it is written, and the numbers in it.
type Row = (&'static str, &'static str, &'static [(&'static str, usize)]);

/// What is said of each figure, and the names of the figures in it: numbers in their order, each with as many
/// decimals as is said.
const TABLES: [(&str, &[Row]); 2] = [
    (
        "median (worst)",
        &[
            (
                "detection: the target state flips → `UpdateContainerInstancesState` arrives (48 drains)",
                "# s (#)",
                &[("detection, median", 2), ("detection, max", 2)],
            ),
            (
                "completion: the last container is gone → `CompleteLifecycleAction` arrives (48 drains)",
                "# s (#)",
                &[("completion, median", 2), ("completion, max", 2)],
            ),
            (
                "`status`, in mid-drain with 300 tasks, from the start to the end of its process (50 times)",
                "# s (#)",
                &[
                    ("status, 300 tasks, median", 3),
                    ("status, 300 tasks, max", 3),
                ],
            ),
        ],
    ),
    (
        "",
        &[
            ("calls to AWS while idle", "#", &[("calls to AWS", 0)]),
            (
                "processor time while idle",
                "# s an hour; # s with `capacity`; on a Spot Instance # s, # s with `on_rebalance` and `on_maintenance`",
                &[
                    ("processor time in an idle hour", 2),
                    ("processor time of an idle hour, capacity", 2),
                    ("processor time of an idle hour, Spot", 2),
                    ("processor time of an idle hour, warnings", 2),
                ],
            ),
            (
                "instructions outside the kernel, an idle second / start, a drain of 1 task, stop",
                "# / # million",
                &[
                    ("an idle second, with its poll of metadata", 2),
                    ("start, a drain of 1 task, stop", 0),
                ],
            ),
            (
                "memory while idle",
                "# MB; # MB with `capacity`",
                &[("memory, VmHWM", 1), ("VmHWM while idle, capacity on", 1)],
            ),
            (
                "peak memory, 1 task / 300 tasks / 3,000 stopped ones still listed",
                "# / # / # MB",
                &[
                    ("VmHWM, drain of 1 task", 1),
                    ("VmHWM, drain of 300 tasks", 1),
                    ("VmHWM, drain of 1 task, 3000 stopped ones listed", 1),
                ],
            ),
            (
                "the same, 300 tasks, 2 h",
                "# MB",
                &[("VmHWM, drain of 300 tasks, \"2 h\"", 1)],
            ),
            ("binary", "# MB", &[("size", 1)]),
        ],
    ),
];

/// The sentence in the README.
const SENTENCE: (&str, &[(&str, usize)]) = (
    "detection # s and completion # s (medians), # calls to AWS, # MB and # s of processor time an hour while idle, \
     # MB at the peak of a drain with 300 tasks. The binary has # MB.",
    &[
        ("detection, median", 2),
        ("completion, median", 2),
        ("calls to AWS", 0),
        ("memory, VmHWM", 1),
        ("processor time in an idle hour", 1),
        ("VmHWM, drain of 300 tasks", 1),
        ("size", 1),
    ],
);

/// Both tables with a column for the other binary, where there is one, and the sentence.
pub(crate) fn text(report: &Report, compared: bool) -> String {
    let mut lines = vec!["\nFor docs/figures.md:".to_owned()];
    for (head, rows) in TABLES {
        let (mut header, mut rule) = (format!("| | {head} |"), "|---|---|".to_owned());
        if compared {
            header += &format!(" before{}{head} |", if head.is_empty() { "" } else { ", " });
            rule += "---|";
        }
        lines.extend([String::new(), header, rule]);
        for (name, form, figures) in rows {
            let mut row = format!("| {name} | {} |", filled(form, figures, report, false));
            if compared {
                row += &format!(" {} |", filled(form, figures, report, true));
            }
            lines.push(row);
        }
    }
    let (form, figures) = SENTENCE;
    lines.push("\nFor README.md:\n".to_owned());
    lines.push(filled(form, figures, report, false));
    lines.join("\n")
}

/// `form` with a figure for each `#`.
fn filled(form: &str, figures: &[(&str, usize)], report: &Report, other: bool) -> String {
    let mut numbers = figures.iter().map(|(name, decimals)| {
        let value = report.value(name, other);
        value.map_or("–".to_owned(), |value| format!("{value:.decimals$}"))
    });
    let mut parts = form.split('#');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + &numbers.next().unwrap_or_default() + part
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_its_figure() {
        let rows = TABLES.iter().flat_map(|(_, rows)| rows.iter());
        let forms = rows.map(|(_, form, figures)| (*form, *figures));
        for (form, figures) in forms.chain([SENTENCE]) {
            assert_eq!(form.matches('#').count(), figures.len(), "{form}");
        }
    }
}
