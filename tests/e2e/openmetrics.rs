//! As much of OpenMetrics 1.0 as it takes to tell a sound exposition from one that is not.

use std::collections::BTreeMap;

/// One sample.
#[derive(Clone, Debug)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// All samples of a text, or what is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Sample>, String> {
    let body = text
        .strip_suffix("# EOF\n")
        .ok_or_else(|| "it does not end with # EOF".to_owned())?;
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    let mut samples: Vec<Sample> = Vec::new();
    for line in body.lines() {
        let fault = |why: &str| format!("{why}: {line:?}");
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (word, family) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            let text = words.next().unwrap_or("");
            if !is_name(family) {
                return Err(fault("not a name"));
            }
            match word {
                "TYPE" if kinds.insert(family.to_owned(), text.to_owned()).is_some() => {
                    return Err(fault("a second TYPE"));
                }
                "TYPE" | "HELP" => {}
                "UNIT" if family.ends_with(&format!("_{text}")) => {}
                _ => return Err(fault("not TYPE, HELP or a UNIT that its name ends with")),
            }
            if order.last().map(String::as_str) != Some(family) {
                if order.iter().any(|earlier| earlier == family) {
                    return Err(fault("a family in two places"));
                }
                order.push(family.to_owned());
            }
            continue;
        }
        let sample = sample(line).ok_or_else(|| fault("not a sample"))?;
        let family = order.last().cloned().unwrap_or_default();
        let suffixes: &[&str] = match kinds.get(&family).map(String::as_str) {
            Some("counter") => &["_total", "_created"],
            Some("gauge" | "unknown") => &[""],
            Some("info") => &["_info"],
            Some("stateset") => &[""],
            Some("histogram") => &["_bucket", "_sum", "_count", "_created"],
            Some("summary") => &["", "_sum", "_count", "_created"],
            _ => return Err(fault("a sample without a TYPE")),
        };
        if !suffixes
            .iter()
            .any(|suffix| sample.name == format!("{family}{suffix}"))
        {
            return Err(fault("a name that its TYPE does not have"));
        }
        let twice = |other: &Sample| other.name == sample.name && other.labels == sample.labels;
        if samples.iter().any(twice) {
            return Err(fault("the same sample twice"));
        }
        if sample.name.ends_with("_total") && sample.value.is_sign_negative() {
            return Err(fault("a counter below zero"));
        }
        samples.push(sample);
    }
    Ok(samples)
}

fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_' || first == ':')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

fn sample(line: &str) -> Option<Sample> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        let mut text = inside;
        while !text.starts_with('}') {
            let (label, after) = text.split_once("=\"")?;
            let mut value = String::new();
            let mut characters = after.char_indices();
            let end = loop {
                match characters.next()? {
                    (at, '"') => break at,
                    (_, '\\') => match characters.next()?.1 {
                        'n' => value.push('\n'),
                        escaped @ ('\\' | '"') => value.push(escaped),
                        _ => return None,
                    },
                    (_, other) => value.push(other),
                }
            };
            if !is_name(label) || labels.insert(label.to_owned(), value).is_some() {
                return None;
            }
            text = after.get(end + 1..)?;
            text = text.strip_prefix(',').unwrap_or(text);
        }
        rest = text.get(1..)?;
    }
    let value = rest.strip_prefix(' ')?;
    // A timestamp may follow.
    let mut words = value.split(' ');
    let number = words.next()?;
    let value = match number {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().ok()?,
    };
    let sound =
        words.next().is_none_or(|time| time.parse::<f64>().is_ok()) && words.next().is_none();
    (is_name(name) && sound).then(|| Sample {
        name: name.to_owned(),
        labels,
        value,
    })
}

#[test]
fn it_tells_one_from_the_other() {
    let sound = "# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# HELP a_seconds How \\n long.\n\
                 a_seconds{x=\"1\\\"\",y=\"\"} 1.5\n# TYPE b counter\nb_total 3 1700000000\n# EOF\n";
    let samples = parse(sound).unwrap();
    assert_eq!(samples[0].labels["x"], "1\"");
    assert_eq!(samples[1].value, 3.0);
    for wrong in [
        "",
        "# TYPE a gauge\na 1\n",
        "a 1\n# EOF\n",
        "# TYPE a counter\na 1\n# EOF\n",
        "# TYPE a gauge\na one\n# EOF\n",
        "# TYPE a gauge\na 1\na 2\n# EOF\n",
        "# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n",
        "# TYPE a gauge\na{b=\"c} 1\n# EOF\n",
        "# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\n# EOF\n",
    ] {
        assert!(parse(wrong).is_err(), "{wrong:?}");
    }
}
