//! `[capacity]`: numbers, ports, and which of them fit each other.

use super::{Root, main_file};
use crate::{HostPort, Protocol};

fn file(lines: &str) -> Root {
    main_file(format!("[capacity]\n{lines}\n"))
}

#[test]
fn it_is_off_by_default_and_says_nothing_of_a_task() {
    let capacity = Root::new().settings().capacity;
    assert!(!capacity.enabled && !capacity.is_configured());
}

#[test]
fn a_task_is_what_it_reserves() {
    let written = file(
        "enabled = true\ncpu = 250\nmemory = \"400\"\nports = [\"80/tcp\", \"53/udp\"]\ndaemon_cpu = 64\n\
         daemon_memory = 128",
    );
    let capacity = written.settings().capacity;
    assert_eq!((capacity.cpu, capacity.memory), (250, 400));
    assert_eq!((capacity.daemon_cpu, capacity.daemon_memory), (64, 128));
    let port = |number, protocol| HostPort { number, protocol };
    assert_eq!(
        capacity.ports,
        [port(80, Protocol::Tcp), port(53, Protocol::Udp)]
    );
    for text in [
        "80/tcp,53/udp",
        "80/tcp, 53/udp",
        "[\"80/tcp\", \"53/udp\"]",
    ] {
        let root = Root::new().variable("ECS_LIFECYCLE_AGENT_CAPACITY__PORTS", text);
        assert_eq!(root.settings().capacity.ports, capacity.ports, "{text}");
    }
    let interfaces = file("enabled = true\nawsvpc = true\ntask_enis = 2").settings();
    assert_eq!(interfaces.capacity.task_enis, 2);
    // Without the switch, the settings are kept for the `capacity` command.
    assert!(file("cpu = 250").settings().capacity.is_configured());
}

#[test]
fn what_does_not_fit_is_refused_with_file_key_and_remedy() {
    for (lines, expected) in [
        (
            "enabled = true",
            "2: capacity.enabled: it is true, but nothing says what a task needs: cpu and memory are 0, \
             there are no ports, and awsvpc is false: set cpu and memory to what the largest task reserves",
        ),
        (
            "cpu = 1\nawsvpc = true",
            "3: capacity.awsvpc: it is true, but capacity.task_enis is not set: set task_enis to the \
             number of network interfaces that an instance has for tasks",
        ),
        (
            "task_enis = 2",
            "2: capacity.task_enis: it has no effect while capacity.awsvpc is false: set awsvpc = true, \
             or remove task_enis (or set it to 0)",
        ),
        (
            "awsvpc = true\ntask_enis = 2\nports = \"80/tcp\"",
            "4: capacity.ports: with capacity.awsvpc a task takes no port of its host: remove ports, or awsvpc",
        ),
        (
            "ports = [\"80/tcp\", \"80/udp\", \"80/tcp\"]",
            "2: capacity.ports: \"80/tcp\" is listed twice: write host ports with their protocol, such as \
             [\"80/tcp\", \"53/udp\"] or \"80/tcp,53/udp\"",
        ),
        (
            "ports = \"80\"",
            "2: capacity.ports: \"80\" is not a host port with a protocol: write host ports with their \
             protocol, such as [\"80/tcp\", \"53/udp\"] or \"80/tcp,53/udp\"",
        ),
        (
            "cpu = -1",
            "2: capacity.cpu: \"-1\" is not a whole number from 0 to 100000000: write a whole number from \
             0 to 100000000",
        ),
        (
            "memory = true",
            "2: capacity.memory: \"true\" is not a whole number from 0 to 100000000: write a whole number \
             from 0 to 100000000",
        ),
    ] {
        let path = "/etc/ecs-lifecycle-agent/config.toml:";
        assert_eq!(file(lines).only_problem(), format!("{path}{expected}"));
    }
    for wrong in [
        "0/tcp",
        "65536/tcp",
        "+80/tcp",
        "80/sctp",
        "80/TCP",
        "80/",
        "/tcp",
        "80/tcp,",
        ",",
    ] {
        file(&format!("ports = \"{wrong}\"")).only_problem();
        file(&format!("ports = [\"{wrong}\"]")).only_problem();
    }
    for wrong in [
        "ports = 80",
        "ports = [80]",
        "ports = [[]]",
        "cpu = []",
        "cpu = 1.5",
        "cpu = \"1k\"",
    ] {
        file(wrong).only_problem();
    }
}

#[test]
fn a_log_group_is_one_that_cloudwatch_takes() {
    let group = |name: &str| main_file(format!("[metrics]\nlog_group = \"{name}\"\n"));
    let name = "/ecs/demo-1_a.b#c";
    assert_eq!(group(name).settings().metrics.log_group, name);
    assert!(group("a b").only_problem().contains("metrics.log_group"));
}
