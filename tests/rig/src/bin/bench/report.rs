//! The figures, beside their budgets: as a table for people, as JSON for programs.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::options::Options;
use crate::processes;
use crate::statistics::Summary;

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    name: String,
    value: Value,
    shown: String,
    /// The same of the other binary.
    beside: Option<Box<Figure>>,
    budget: Option<String>,
    ok: Option<bool>,
}

impl Figure {
    /// A duration.
    pub(crate) fn seconds(name: &str, seconds: f64) -> Self {
        Self::new(name, json!(seconds), format!("{seconds:.3} s"))
    }

    /// A size. A megabyte is a million bytes.
    pub(crate) fn bytes(name: &str, bytes: u64) -> Self {
        Self::new(name, json!(bytes), megabytes(bytes))
    }

    /// A number of something.
    pub(crate) fn number(name: &str, number: f64, decimals: usize, unit: &str) -> Self {
        Self::new(name, json!(number), format!("{number:.decimals$} {unit}"))
    }

    /// A text.
    pub(crate) fn text(name: &str, text: &str) -> Self {
        Self::new(name, json!(text), text.to_owned())
    }

    fn new(name: &str, value: Value, shown: String) -> Self {
        Self {
            name: name.to_owned(),
            value,
            shown,
            beside: None,
            budget: None,
            ok: None,
        }
    }

    /// With the most that it should be, and how that is written.
    pub(crate) fn at_most(self, most: f64, shown: &str) -> Self {
        let ok = self.value.as_f64().is_some_and(|value| value <= most);
        self.judged(ok, shown)
    }

    /// With a verdict reached elsewhere.
    pub(crate) fn judged(mut self, ok: bool, budget: &str) -> Self {
        self.ok = Some(ok);
        self.budget = Some(format!("≤ {budget}"));
        self
    }

    fn json(&self) -> Value {
        let beside = self.beside.as_ref().map(|figure| &figure.value);
        json!({
            "name": self.name,
            "value": self.value,
            "beside": beside,
            "budget": self.budget,
            "ok": self.ok,
        })
    }

    fn line(&self) -> String {
        let budget = self.budget.as_deref().unwrap_or("");
        let beside = self.beside.as_ref().map_or("", |figure| &figure.shown);
        let line = format!(
            "  {:<50} {beside:>16} {:>16}   {budget:<10} {}",
            self.name,
            self.shown,
            mark(self.ok)
        );
        line.trim_end().to_owned()
    }
}

/// Min, median, p95 and max, with the budgets of the median and of the worst.
pub(crate) fn summarized(
    what: &str,
    summary: Summary,
    median: Option<f64>,
    worst: Option<f64>,
) -> Vec<Figure> {
    let figure = |name: &str, value: f64, budget: Option<f64>| {
        let figure = Figure::seconds(&format!("{what}, {name}"), value);
        match budget {
            Some(most) => figure.at_most(most, &format!("{most} s")),
            None => figure,
        }
    };
    vec![
        figure("min", summary.min, None),
        figure("median", summary.median, median),
        figure("p95", summary.p95, None),
        figure("max", summary.max, worst),
    ]
}

/// `6.56 MB`
pub(crate) fn megabytes(bytes: u64) -> String {
    #[allow(
        clippy::cast_precision_loss,
        reason = "sizes here are far below the 52 bits that are exact"
    )]
    let megabytes = bytes as f64 / 1e6;
    format!("{megabytes:.2} MB")
}

/// How a figure stands to its budget.
pub(crate) fn mark(ok: Option<bool>) -> &'static str {
    match ok {
        Some(true) => "ok",
        Some(false) => "OVER",
        None => "",
    }
}

/// Of one binary: sections, or why there is none.
pub(crate) type Measured = Vec<Result<Section, String>>;

/// What belongs together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) figures: Vec<Figure>,
    /// Lines that are no figures: a table of another form.
    pub(crate) table: Vec<String>,
    pub(crate) notes: Vec<String>,
    /// What only the JSON has: raw samples.
    pub(crate) data: Value,
    /// What did not do its job.
    pub(crate) failures: Vec<String>,
}

impl Section {
    /// With what was measured of the other binary.
    fn beside(mut self, other: Self) -> Self {
        for figure in &mut self.figures {
            let same = other.figures.iter().find(|other| other.name == figure.name);
            figure.beside = same.cloned().map(Box::new);
        }
        if !other.table.is_empty() {
            self.table.push("the other binary:".to_owned());
            self.table.extend(other.table);
        }
        let failures = other.failures.into_iter();
        self.failures
            .extend(failures.map(|failure| format!("the other binary: {failure}")));
        self.data = json!({"agent": self.data, "beside": other.data});
        self
    }
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Report {
    heading: String,
    sections: Vec<Section>,
    pub(crate) failures: Vec<String>,
}

impl Report {
    /// Empty.
    pub(crate) fn new(options: &Options) -> Self {
        let kind = if options.quick { "quick" } else { "full" };
        let machine = processes::machine();
        let mut heading = format!("ecs-lifecycle-agent, benchmark ({kind}) on {machine}");
        if let Some(other) = &options.beside {
            heading += &format!(
                "\nleft: {}; right: {}",
                other.display(),
                options.agent.display()
            );
        }
        Self {
            heading,
            sections: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Adds sections, or what went wrong with them; each beside the same of the other binary, if any.
    pub(crate) fn add(&mut self, sections: Measured, beside: Measured) {
        let mut beside = beside.into_iter();
        for section in sections {
            let section = match (section, beside.next()) {
                (Ok(section), Some(Ok(other))) => Ok(section.beside(other)),
                (Ok(section), Some(Err(failure))) => {
                    self.failures.push(format!("the other binary: {failure}"));
                    Ok(section)
                }
                (section, _) => section,
            };
            match section {
                Ok(section) => {
                    self.failures.extend(section.failures.iter().cloned());
                    self.sections.push(section);
                }
                Err(failure) => self.failures.push(failure),
            }
        }
    }

    /// A figure by its name, of this binary or of the other: sizes in megabytes.
    pub(crate) fn value(&self, name: &str, other: bool) -> Option<f64> {
        let mut figures = self.sections.iter().flat_map(|section| &section.figures);
        let figure = figures.find(|figure| figure.name == name)?;
        let figure = if other {
            figure.beside.as_deref()?
        } else {
            figure
        };
        let unit = if figure.shown.ends_with(" MB") {
            1e6
        } else {
            1.0
        };
        Some(figure.value.as_f64()? / unit)
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![self.heading.clone()];
        for section in &self.sections {
            lines.push(format!("\n{}", section.title));
            lines.extend(section.figures.iter().map(Figure::line));
            lines.extend(section.table.iter().map(|line| format!("  {line}")));
            lines.extend(section.notes.iter().map(|note| format!("  ({note})")));
        }
        lines.extend(self.failures.iter().map(|what| format!("\nFAILED: {what}")));
        lines.join("\n")
    }

    /// Writes it for programs; returns where.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<PathBuf> {
        let section = |section: &Section| {
            let figures: Vec<Value> = section.figures.iter().map(Figure::json).collect();
            json!({
                "title": section.title,
                "figures": figures,
                "notes": section.notes,
                "data": section.data,
            })
        };
        let sections: Vec<Value> = self.sections.iter().map(section).collect();
        let report =
            json!({"benchmark": self.heading, "sections": sections, "failures": self.failures});
        std::fs::create_dir_all(directory)?;
        let path = directory.join("bench.json");
        std::fs::write(&path, format!("{report:#}\n"))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_kept_up_to_its_limit() {
        let mark_of = |value| mark(Figure::seconds("x", value).at_most(1.2, "1.2 s").ok);
        assert_eq!(mark_of(1.2), "ok");
        assert_eq!(mark_of(1.21), "OVER");
        assert_eq!(mark(Figure::seconds("x", 9.0).ok), "");
    }

    #[test]
    fn figures_stand_beside_those_of_the_same_name() {
        let section = |figures| Section {
            figures,
            ..Section::default()
        };
        let other = section(vec![Figure::seconds("y", 2.0), Figure::seconds("x", 1.5)]);
        let both =
            section(vec![Figure::seconds("x", 1.0), Figure::seconds("z", 3.0)]).beside(other);
        let lines: Vec<String> = both.figures.iter().map(Figure::line).collect();
        let words = |line: &String| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let seen: Vec<_> = lines.iter().map(words).collect();
        assert_eq!(
            seen,
            [
                vec!["x", "1.500", "s", "1.000", "s"],
                vec!["z", "3.000", "s"]
            ]
        );
    }
}
