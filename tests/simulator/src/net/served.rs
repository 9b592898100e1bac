//! Which AWS operations the agent calls, over all test processes: a file for each, in the directory that
//! `ECS_LIFECYCLE_OPERATIONS` names. `make test` compares them with the agent's policy.

use std::fs::File;
use std::path::PathBuf;
use std::sync::LazyLock;

use super::Call;

static DIRECTORY: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    std::env::var_os("ECS_LIFECYCLE_OPERATIONS")
        .filter(|directory| !directory.is_empty())
        .map(PathBuf::from)
});

/// Takes note of a call, where it is the agent's own: tests call operations, too, that it does not use.
pub(super) fn note(call: &Call) {
    let Some(directory) = DIRECTORY.as_deref().filter(|_| call.service.is_aws()) else {
        return;
    };
    let agent = ["user-agent", "x-amz-user-agent"]
        .iter()
        .filter_map(|name| call.header(name))
        .any(|value| {
            value
                .split(' ')
                .any(|part| part == "app/ecs-lifecycle-agent")
        });
    // An identity document takes the place of a signature, and of a permission.
    let document = call
        .header("authorization")
        .is_some_and(|value| value.starts_with("CFN_V1 "));
    if agent || document {
        let how = if document { "document" } else { "role" };
        let _ = File::create(directory.join(format!("{} by {how}", call.operation)));
    }
}
