//! Patterns of operations: exact, or a prefix with `*`, or several of these separated by `|`.

/// Everything that goes to AWS APIs, as opposed to what is on the instance.
pub const AWS_CALLS: &str = "ecs:*|autoscaling:*|cloudformation:*";

pub(crate) fn matches(pattern: &str, operation: &str) -> bool {
    pattern.split('|').any(|one| match one.strip_suffix('*') {
        Some(prefix) => operation.starts_with(prefix),
        None => one == operation,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_prefix_and_alternatives() {
        assert!(matches("ecs:ListTasks", "ecs:ListTasks"));
        assert!(!matches("ecs:List", "ecs:ListTasks"));
        assert!(matches("ecs:List*", "ecs:ListTasks"));
        assert!(matches("*", "imds:PUT /latest/api/token"));
        assert!(matches(AWS_CALLS, "autoscaling:CompleteLifecycleAction"));
        assert!(!matches(
            AWS_CALLS,
            "imds:GET /latest/meta-data/instance-id"
        ));
    }
}
