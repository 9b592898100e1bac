//! Reading parameters, of JSON and of query requests.

use serde_json::Value;

use super::ApiError;
use crate::net::Call;

impl Call {
    /// A string parameter, if given and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.params
            .get(name)
            .and_then(Value::as_str)
            .filter(|s| !s.is_empty())
    }

    /// A number parameter: a JSON number, or digits in a query request.
    pub(super) fn count(&self, name: &str) -> Option<usize> {
        let value = self.params.get(name)?;
        let number = value
            .as_u64()
            .or_else(|| value.as_str().and_then(|s| s.parse().ok()));
        number.and_then(|n| usize::try_from(n).ok())
    }

    /// A string parameter that must be there, in a query request.
    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name).ok_or_else(|| {
            let name = format!("{}{}", name.chars().next().unwrap_or_default().to_lowercase(), name.get(1..).unwrap_or_default());
            let message = format!(
                "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
            );
            ApiError::bad("ValidationError", message)
        })
    }

    /// A list of strings in a JSON request.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let items = self
            .params
            .get(name)
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        items
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    }

    /// A list of strings in a query request: `NAME.member.1`, …
    pub(super) fn members(&self, name: &str) -> Vec<String> {
        (1..)
            .map_while(|n| {
                self.params
                    .get(format!("{name}.member.{n}"))
                    .and_then(Value::as_str)
                    .map(str::to_owned)
            })
            .collect()
    }
}

/// One page of a list, and the token for the next.
pub(super) fn page<T: Clone>(
    items: &[T],
    token: Option<&str>,
    size: usize,
) -> Option<(Vec<T>, Option<String>)> {
    let start = match token {
        None => 0,
        Some(token) => token.strip_prefix("next-")?.parse::<usize>().ok()?,
    };
    let rest = items.get(start..)?;
    let next = (rest.len() > size).then(|| format!("next-{}", start + size));
    Some((rest.iter().take(size).cloned().collect(), next))
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn pages_end_where_the_list_ends() {
        let items: Vec<u32> = (0..5).collect();
        assert_eq!(
            page(&items, None, 2),
            Some((vec![0, 1], Some("next-2".to_owned())))
        );
        assert_eq!(page(&items, Some("next-4"), 2), Some((vec![4], None)));
        assert_eq!(page(&items, None, 5), Some((items.clone(), None)));
        assert_eq!(page(&items, Some("next-9"), 2), None);
        assert_eq!(page(&items, Some("made up"), 2), None);
    }
}
