//! Where nothing is wrong.

use ecs_lifecycle_simulator::SECRET_MARKERS;

use super::stage::Stage;

/// What the doctor may ask of AWS.
const READS: [&str; 7] = [
    "ecs:DescribeContainerInstances",
    "ecs:ListContainerInstances",
    "ecs:ListTasks",
    "ecs:DescribeTasks",
    "ecs:DescribeServices",
    "autoscaling:DescribeAutoScalingInstances",
    "autoscaling:DescribeLifecycleHooks",
];

#[tokio::test]
async fn all_is_well() {
    let stage = Stage::new().await;
    let report = stage.examine();
    report.complains(&[]);
    assert_eq!(report.mode(), "instance");
    report
        .says("metadata", stage.instance.id())
        .says("ecs-agent", "in cluster demo, 1 task")
        .says("role", "demo-instance-role")
        .says("hook", "drain-hook of demo-asg, the only one");
    for action in READS {
        assert_eq!(report.check(action)["status"], "ok");
    }
    // Nothing else is untried than what has to be.
    let untried: Vec<&str> = report
        .checks()
        .iter()
        .filter(|check| check["status"] == "untried")
        .map(|check| check["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        untried,
        [
            "metadata-hop-limit",
            "ecs:UpdateContainerInstancesState",
            "autoscaling:RecordLifecycleActionHeartbeat",
            "autoscaling:CompleteLifecycleAction",
        ]
    );
}

#[tokio::test]
async fn nothing_is_changed() {
    let stage = Stage::new().await;
    let before = files(stage.host.root());
    stage.examine();
    assert_eq!(files(stage.host.root()), before);
    stage.simulator.world(|world| {
        for request in world.requests().aws_calls() {
            assert!(
                READS.contains(&request.operation.as_str()),
                "{}",
                request.operation
            );
        }
        // ListTasks twice: the tasks that are to run, and those that are to stop.
        assert_eq!(world.requests().aws_calls().count(), READS.len() + 1);
    });
}

#[tokio::test]
async fn the_text_has_a_line_for_each_check_and_no_secret() {
    let stage = Stage::new().await;
    let output = stage.doctor(&[]);
    assert_eq!(output.code, Some(0), "{}", output.stdout);
    assert_eq!(output.stderr, "");
    let report = stage.examine();
    let count = report.checks().len();
    assert!(
        output.stdout.ends_with(&format!(
            "\n{count} checks: {} ok, 4 untried, 0 with a warning, 0 failed\n",
            count - 4
        )),
        "{}",
        output.stdout
    );
    for check in report.checks() {
        let id = check["id"].as_str().unwrap();
        assert!(output.stdout.contains(&format!(" {id}: ")), "{id}");
    }
    for marker in SECRET_MARKERS {
        assert!(!output.stdout.contains(marker), "{marker}");
    }
}

fn files(root: &std::path::Path) -> Vec<(std::path::PathBuf, u64)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            files.extend(self::files(&path));
        } else {
            let size = path.symlink_metadata().unwrap().len();
            files.push((path, size));
        }
    }
    files.sort();
    files
}
