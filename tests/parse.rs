//! The parsers of what the metadata service and the ECS agent answer: real answers, and wrong ones.

// A test that cannot go on fails.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use ecs_lifecycle_agent::clients::parse;
use ecs_lifecycle_agent::decide::{TargetLifecycleState, TaskStatus};

#[test]
fn identity_documents() {
    let real = br#"{"accountId":"123456789012","architecture":"x86_64","availabilityZone":"us-east-1a",
        "imageId":"ami-5fb8c835","instanceId":"i-1234567890abcdef0","instanceType":"t2.micro",
        "kernelId":null,"pendingTime":"2016-11-19T16:32:11Z","region":"us-east-1","version":"2017-09-30"}"#;
    let instance = parse::identity_document(real).unwrap();
    assert_eq!(
        (instance.instance_id.as_str(), instance.region.as_str()),
        ("i-1234567890abcdef0", "us-east-1")
    );
    let wrong: [&[u8]; 8] = [
        b"",
        b"<html>",
        b"{}",
        b"null",
        b"[]",
        br#"{"instanceId":"i-1"}"#,
        br#"{"instanceId":"i-1","region":"us-east-1.evil.example/"}"#,
        br#"{"instanceId":"secret-document","region":"us-east-1"}"#,
    ];
    for body in wrong {
        let misfit = parse::identity_document(body).unwrap_err();
        assert!(
            !misfit.contains("secret") && !misfit.contains("evil"),
            "quotes the document: {misfit}"
        );
    }
}

#[test]
fn target_lifecycle_states() {
    assert_eq!(
        parse::target_lifecycle_state(b"Terminated\n"),
        Ok(TargetLifecycleState::Terminated)
    );
    assert_eq!(
        parse::target_lifecycle_state(b"Warmed:Stopped"),
        Ok(TargetLifecycleState::WarmedStopped)
    );
    assert_eq!(
        parse::target_lifecycle_state(b"Asleep"),
        Ok(TargetLifecycleState::Unknown("Asleep".to_owned()))
    );
    let wrong: [&[u8]; 6] = [
        b"",
        b"  ",
        b"<html>Terminated</html>",
        b"In Service",
        b"\xff\xfe",
        &[b'a'; 65],
    ];
    for body in wrong {
        assert!(parse::target_lifecycle_state(body).is_err(), "{body:?}");
    }
}

#[test]
fn spot_instance_actions() {
    let (notice, time) =
        parse::spot_instance_action(br#"{"action":"terminate","time":"2017-09-18T08:22:00Z"}"#)
            .unwrap();
    assert_eq!(notice.action, "terminate");
    let unix = time
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(unix.as_secs(), 1_505_722_920);
    let wrong: [&[u8]; 6] = [
        b"",
        b"{}",
        br#"{"action":"terminate"}"#,
        br#"{"action":"explode","time":"2017-09-18T08:22:00Z"}"#,
        br#"{"action":"stop","time":"soon"}"#,
        br#"{"action":"stop","time":1505722920}"#,
    ];
    for body in wrong {
        assert!(parse::spot_instance_action(body).is_err(), "{body:?}");
    }
}

#[test]
fn the_metadata_of_the_ecs_agent() {
    let real = br#"{"Cluster":"c","ContainerInstanceArn":"arn:aws:ecs:us-east-1:1:container-instance/c/id","Version":"Amazon ECS Agent - v1.30.0 (02ff320c)"}"#;
    let known = parse::agent_metadata(real).unwrap().unwrap();
    assert_eq!((known.cluster.as_str(), known.id()), ("c", "id"));
    // Not registered yet.
    assert_eq!(
        parse::agent_metadata(br#"{"Cluster":"c","ContainerInstanceArn":null,"Version":"v"}"#),
        Ok(None)
    );
    let wrong: [&[u8]; 5] = [
        b"",
        // An unknown path answers 200 with this.
        br#"{"AvailableCommands":["/v1/metadata","/v1/tasks","/license"]}"#,
        br#"{"Cluster":"c"}"#,
        br#"{"Cluster":"c","ContainerInstanceArn":"id"}"#,
        br#"{"Cluster":"","ContainerInstanceArn":"arn:aws:ecs:us-east-1:1:container-instance/c/id"}"#,
    ];
    for body in wrong {
        assert!(
            parse::agent_metadata(body).is_err(),
            "{}",
            String::from_utf8_lossy(body)
        );
    }
}

#[test]
fn the_tasks_of_the_ecs_agent() {
    let real = br#"{"Tasks":[
        {"Arn":"a","DesiredStatus":"STOPPED","KnownStatus":"RUNNING","Family":"web","Version":"8","Containers":[{"DockerId":"d","Name":"web"}]},
        {"Arn":"b","DesiredStatus":"STOPPED","KnownStatus":"STOPPED","Family":"web","Version":"8","Containers":[]},
        {"Arn":"c","KnownStatus":"PENDING","Family":"job\u0021","Version":"1"},
        {"Arn":"d","KnownStatus":"SOMETHING_NEW"}
    ]}"#;
    let open = BTreeSet::from(["b".to_owned()]);
    let none = BTreeSet::new();
    // Of those that are stopped, only what is open.
    assert_eq!(parse::agent_tasks(&real[..], &none).unwrap().len(), 3);
    let tasks = parse::agent_tasks(&real[..], &open).unwrap();
    let seen: Vec<_> = tasks
        .iter()
        .map(|task| {
            (
                task.arn.as_str(),
                task.known,
                task.stopping,
                task.definition.as_str(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("a", TaskStatus::Running, true, "web:8"),
            ("b", TaskStatus::Stopped, true, ""),
            ("c", TaskStatus::Pending, false, "job!:1"),
            ("d", TaskStatus::Pending, false, ""),
        ]
    );
    assert_eq!(
        parse::agent_tasks(&br#"{"Tasks":[]}"#[..], &none),
        Ok(Vec::new())
    );
    let wrong: [&[u8]; 8] = [
        b"",
        b"{}",
        br#"{"Tasks":null}"#,
        br#"{"Tasks":{}}"#,
        br#"{"Tasks":[{"Arn":"a"}]}"#,
        br#"{"Tasks":[{"KnownStatus":"STOPPED"}]}"#,
        br#"{"Tasks":[]"#,
        br#"{"AvailableCommands":["/v1/metadata"]}"#,
    ];
    for body in wrong {
        assert!(
            parse::agent_tasks(body, &none).is_err(),
            "{}",
            String::from_utf8_lossy(body)
        );
    }
}

#[test]
fn the_tasks_that_have_network_interfaces() {
    let answer = br#"{"Tasks":[
        {"Arn":"arn:t/1","KnownStatus":"RUNNING","Family":"web","Version":"8","Containers":[
            {"DockerId":"a","Name":"web","Networks":[{"NetworkMode":"awsvpc","IPv4Addresses":["10.0.0.4"]}]}]},
        {"Arn":"arn:t/2","KnownStatus":"PENDING","Family":"web","Version":"8","Containers":[]},
        {"Arn":"arn:t/3","KnownStatus":"RUNNING","Containers":[
            {"DockerId":"b","Networks":[{"NetworkMode":"bridge"}]},{"DockerId":"c","Networks":null}]},
        {"Arn":"arn:t/4","KnownStatus":"STOPPED","Containers":[
            {"DockerId":"d","Networks":[{"NetworkMode":"awsvpc"}]}]},
        {"Arn":"arn:t/5","KnownStatus":"RUNNING"}]}"#;
    let tasks = parse::agent_task_set(&answer[..]).unwrap();
    let tasks: Vec<_> = tasks
        .iter()
        .map(|task| (task.arn.as_str(), task.definition.as_str(), task.awsvpc))
        .collect();
    assert_eq!(
        tasks,
        [
            ("arn:t/1", "web:8", true),
            ("arn:t/2", "web:8", false),
            ("arn:t/3", "", false),
            ("arn:t/5", "", false),
        ]
    );
    for wrong in ["", "{}", r#"{"Tasks":null}"#, r#"{"Tasks":[{"Arn":"a"}]}"#] {
        assert!(parse::agent_task_set(wrong.as_bytes()).is_err(), "{wrong}");
    }
}
