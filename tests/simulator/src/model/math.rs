//! As much of CloudWatch's metric math as the alarms of the stack use.

/// The value of an expression; `None` where a metric has no sample, or where it is no expression.
pub(super) fn value(text: &str, metric: impl Fn(&str) -> Option<f64>) -> Option<f64> {
    let mut parser = Parser {
        rest: text.trim_start(),
        metric: &metric,
    };
    let value = parser.either()?;
    (parser.rest.is_empty()).then_some(value?)
}

struct Parser<'a> {
    rest: &'a str,
    metric: &'a dyn Fn(&str) -> Option<f64>,
}

/// The outer `None`: no expression. The inner one: no sample.
type Parsed = Option<Option<f64>>;

fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}

impl Parser<'_> {
    fn takes(&mut self, word: &str) -> bool {
        let after = self.rest.strip_prefix(word);
        if let Some(after) = after {
            self.rest = after.trim_start();
        }
        after.is_some()
    }

    /// `next (word next)*`, for any of the words.
    fn chain(
        &mut self,
        words: &[(&str, fn(f64, f64) -> f64)],
        next: fn(&mut Self) -> Parsed,
    ) -> Parsed {
        let mut left = next(self)?;
        while let Some((_, apply)) = words.iter().find(|(word, _)| self.takes(word)) {
            let right = next(self)?;
            left = left.zip(right).map(|(left, right)| apply(left, right));
        }
        Some(left)
    }

    fn either(&mut self) -> Parsed {
        self.chain(&[("OR", |a, b| truth(a != 0.0 || b != 0.0))], Self::both)
    }

    fn both(&mut self) -> Parsed {
        self.chain(
            &[("AND", |a, b| truth(a != 0.0 && b != 0.0))],
            Self::comparison,
        )
    }

    fn comparison(&mut self) -> Parsed {
        self.chain(
            &[
                (">=", |a, b| truth(a >= b)),
                ("<=", |a, b| truth(a <= b)),
                ("==", |a, b| truth((a - b).abs() < f64::EPSILON)),
                (">", |a, b| truth(a > b)),
                ("<", |a, b| truth(a < b)),
            ],
            Self::sum,
        )
    }

    fn sum(&mut self) -> Parsed {
        self.chain(&[("+", |a, b| a + b), ("-", |a, b| a - b)], Self::product)
    }

    fn product(&mut self) -> Parsed {
        self.chain(&[("*", |a, b| a * b), ("/", |a, b| a / b)], Self::atom)
    }

    fn atom(&mut self) -> Parsed {
        if self.takes("(") {
            let value = self.either()?;
            return self.takes(")").then_some(value);
        }
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_')
            .unwrap_or(self.rest.len());
        let (word, after) = self.rest.split_at_checked(end)?;
        self.rest = after.trim_start();
        match word {
            "IF" => {
                let [when, then, otherwise] = self.arguments()?;
                Some(when.and_then(|when| if when != 0.0 { then } else { otherwise }))
            }
            "FILL" => {
                let [value, instead] = self.arguments()?;
                Some(value.or(instead))
            }
            _ => match word.parse() {
                Ok(number) => Some(Some(number)),
                Err(_) => Some((self.metric)(word)).filter(|_| !word.is_empty()),
            },
        }
    }

    fn arguments<const N: usize>(&mut self) -> Option<[Option<f64>; N]> {
        let mut all = [None; N];
        for (at, value) in all.iter_mut().enumerate() {
            if !self.takes(if at == 0 { "(" } else { "," }) {
                return None;
            }
            *value = self.either()?;
        }
        self.takes(")").then_some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn it_computes_what_the_alarms_say() {
        let metric = |name: &str| match name {
            "c" => Some(7.0),
            "t" => Some(4.0),
            "i" => Some(1.75),
            "n" | "s" => Some(3.0),
            _ => None,
        };
        for (text, expected) in [
            ("IF(t>=1 AND c<8,1,0)", Some(1.0)),
            ("IF(t>=1 AND c<7,1,0)", Some(0.0)),
            (
                "IF(i>1.0005 AND c-t>=3 AND n<=s AND n>=0.95*s AND s==3,1,0)",
                Some(1.0),
            ),
            ("IF(i>1.0005 AND c-t>=4,1,0)", Some(0.0)),
            ("IF(i>1 AND none==0,1,0)", None),
            ("IF(FILL(none,0)<s,1,0)", Some(1.0)),
            ("IF(n<s OR (c-1)/2==3,1,0)", Some(1.0)),
            ("1 + 2*3 - 4", Some(3.0)),
            ("IF(n<s,1", None),
            ("c c", None),
            ("", None),
        ] {
            assert_eq!(value(text, metric), expected, "{text}");
        }
    }
}
