//! Which files and variables count, and in which order.

use std::time::Duration;

use super::{MAIN, Root, main_file};
use crate::{Origin, load};

const VENDOR: &str = "usr/lib/ecs-lifecycle-agent/config.d";
const RUNTIME: &str = "run/ecs-lifecycle-agent/config.d";
const ADMIN: &str = "etc/ecs-lifecycle-agent/config.d";
const VARIABLE: &str = "ECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT";

fn timeout(value: &str) -> String {
    format!("[drain]\ntimeout = \"{value}\"\n")
}

fn drop_in(root: Root, directory: &str, name: &str, value: &str) -> Root {
    root.file(&format!("{directory}/{name}"), timeout(value))
}

fn minutes(root: &Root) -> u64 {
    root.settings().drain.timeout.as_secs() / 60
}

#[test]
fn each_source_replaces_the_earlier() {
    let root = Root::new();
    assert_eq!(minutes(&root), 15);
    let root = root.file(MAIN, timeout("1m"));
    assert_eq!(minutes(&root), 1);
    let root = drop_in(root, VENDOR, "50-a.toml", "2m");
    assert_eq!(minutes(&root), 2);
    let root = drop_in(root, RUNTIME, "50-a.toml", "3m");
    assert_eq!(minutes(&root), 3);
    let root = drop_in(root, ADMIN, "50-a.toml", "4m");
    assert_eq!(minutes(&root), 4);
    let root = root.variable(VARIABLE, "5m");
    assert_eq!(minutes(&root), 5);
}

#[test]
fn drop_ins_of_all_directories_are_sorted_by_name_together() {
    let root = drop_in(Root::new(), ADMIN, "10-admin.toml", "1m");
    let root = drop_in(root, RUNTIME, "20-runtime.toml", "2m");
    let root = drop_in(root, VENDOR, "30-vendor.toml", "3m");
    assert_eq!(minutes(&root), 3);
    let names: Vec<_> = root.load().unwrap().files;
    let expected = [
        root.path.join(ADMIN).join("10-admin.toml"),
        root.path.join(RUNTIME).join("20-runtime.toml"),
        root.path.join(VENDOR).join("30-vendor.toml"),
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_file_of_the_same_name_replaces_the_whole_file() {
    let root = Root::new().file(
        &format!("{VENDOR}/50-a.toml"),
        "[drain]\ntimeout = \"2m\"\n[log]\nlevel = \"debug\"\n",
    );
    let root = drop_in(root, ADMIN, "50-a.toml", "4m");
    let settings = root.settings();
    assert_eq!(settings.drain.timeout, Duration::from_mins(4));
    assert_eq!(settings.log.level.as_str(), "info");
}

#[test]
fn an_empty_file_and_a_link_to_dev_null_mask() {
    let vendor = || drop_in(Root::new(), VENDOR, "50-a.toml", "2m");
    let masked = vendor().file(&format!("{ADMIN}/50-a.toml"), "");
    assert_eq!(minutes(&masked), 15);
    assert!(masked.load().unwrap().files.is_empty());
    let masked = vendor().link(&format!("{RUNTIME}/50-a.toml"), "/dev/null");
    assert_eq!(minutes(&masked), 15);
    // A file masks only those of lower precedence.
    let root = drop_in(Root::new(), ADMIN, "50-a.toml", "4m");
    let root = root.link(&format!("{VENDOR}/50-a.toml"), "/dev/null");
    assert_eq!(minutes(&root), 4);
}

#[test]
fn a_masked_file_may_be_wrong() {
    let root = Root::new()
        .file(&format!("{VENDOR}/50-a.toml"), "no TOML")
        .file(&format!("{ADMIN}/50-a.toml"), "");
    assert_eq!(minutes(&root), 15);
}

#[test]
fn other_names_are_not_drop_ins() {
    let root = Root::new();
    let root = drop_in(root, ADMIN, "50-a.toml.bak", "1m");
    let root = drop_in(root, ADMIN, "50-a.conf", "1m");
    let root = drop_in(root, ADMIN, ".50-a.toml", "1m");
    // Emacs leaves such a link while a file is edited.
    let root = root.link(&format!("{ADMIN}/.#50-a.toml"), "someone@somewhere.1234");
    assert_eq!(minutes(&root), 15);
}

#[test]
fn a_link_to_a_file_is_read() {
    let root = Root::new().file("opt/settings", timeout("7m"));
    let target = root.path.join("opt/settings");
    let root = root.link(MAIN, target);
    assert_eq!(minutes(&root), 7);
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let dangling = Root::new().link(&format!("{ADMIN}/50-a.toml"), "nowhere");
    assert!(dangling.only_problem().starts_with(
        "/etc/ecs-lifecycle-agent/config.d/50-a.toml: it cannot be read (No such file"
    ));
    let dangling = Root::new().link(MAIN, "nowhere");
    assert!(
        dangling
            .only_problem()
            .contains("config.toml: it cannot be read")
    );
    let directory = Root::new().file(&format!("{MAIN}/something"), "");
    assert!(directory.only_problem().contains("not a regular file"));
    let device = Root::new().link(MAIN, "/dev/zero");
    assert!(device.only_problem().contains("not a regular file"));
    let no_directory = Root::new().file(ADMIN, "");
    assert!(
        no_directory
            .only_problem()
            .starts_with("/etc/ecs-lifecycle-agent/config.d: it cannot be read")
    );
}

#[test]
fn a_file_is_limited_in_size_and_must_be_utf_8() {
    let mut content = timeout("2m");
    content.push_str(&"#".repeat(1024 * 1024 - content.len()));
    assert_eq!(minutes(&main_file(&content)), 2);
    content.push('#');
    assert!(
        main_file(&content)
            .only_problem()
            .contains("larger than 1048576 bytes")
    );
    let problem = main_file(b"[drain]\n# caf\xe9\n").only_problem();
    assert_eq!(
        problem,
        "/etc/ecs-lifecycle-agent/config.toml: line 2 is not UTF-8: save the file in UTF-8"
    );
}

#[test]
fn a_byte_order_mark_and_crlf_are_accepted() {
    let root = main_file("\u{feff}[drain]\r\ntimeout = \"2m\"\r\n");
    assert_eq!(minutes(&root), 2);
}

#[test]
fn a_named_file_is_read_instead_of_the_standard_ones() {
    let root = drop_in(main_file(timeout("1m")), ADMIN, "50-a.toml", "2m");
    let root = root
        .file("mine.toml", "[log]\nlevel = \"warn\"\n")
        .file("other.toml", timeout("9m"))
        .variable("ECS_LIFECYCLE_AGENT_LOG__TARGET", "journal");
    let file = root.path.join("mine.toml");

    let mut request = root.request();
    request.config_file = Some(file.clone());
    let by_flag = load(&request).unwrap();
    assert_eq!(by_flag.settings.drain.timeout, Duration::from_mins(15));
    assert_eq!(by_flag.settings.log.level.as_str(), "warn");
    assert_eq!(by_flag.settings.log.target.as_str(), "journal");
    assert_eq!(by_flag.files, std::slice::from_ref(&file));

    request.config_file = None;
    let name = file.to_string_lossy().into_owned();
    let variable = ("ECS_LIFECYCLE_AGENT_CONFIG".to_owned(), name);
    request.environment.push(variable);
    assert_eq!(load(&request).unwrap(), by_flag);

    // The flag has precedence over the variable.
    request.config_file = Some(root.path.join("other.toml"));
    let both = load(&request).unwrap();
    assert_eq!(both.settings.drain.timeout, Duration::from_mins(9));
}

#[test]
fn a_named_file_must_exist() {
    let root = Root::new();
    let mut request = root.request();
    request.config_file = Some(root.path.join("absent.toml"));
    let message = load(&request).unwrap_err().to_string();
    assert!(
        message.contains("absent.toml: it cannot be read (No such file"),
        "{message}"
    );
    assert!(message.contains("create the file"), "{message}");

    let empty = Root::new().variable("ECS_LIFECYCLE_AGENT_CONFIG", "");
    assert!(empty.only_problem().contains("name a configuration file"));
    let broken = Root::new().variable("ECS_LIFECYCLE_AGENT_CONFIG", "/a\u{fffd}");
    assert!(broken.only_problem().contains("not UTF-8"));
}

#[test]
fn the_provenance_names_file_line_and_variable() {
    let root = main_file("# first\n[drain]\ntimeout = \"1m\"\n\nreport_interval = \"5s\"\n")
        .variable(VARIABLE, "2m");
    let provenance = root.load().unwrap().provenance;
    assert_eq!(
        provenance.of("drain", "timeout"),
        &Origin::Environment(VARIABLE.to_owned())
    );
    assert_eq!(
        provenance.of("drain", "report_interval"),
        &Origin::File {
            path: root.path.join(MAIN),
            line: Some(5)
        }
    );
    assert_eq!(provenance.of("drain", "daemon_tasks"), &Origin::Default);
    assert_eq!(provenance.of("no", "such"), &Origin::Default);
    let written: Vec<_> = provenance.written().map(|(_, key, _)| key).collect();
    assert_eq!(written, ["report_interval", "timeout"]);
}

#[test]
fn a_strange_path_stays_on_one_line() {
    let root = Root::new().file("a\nb.toml", timeout("2m"));
    let mut request = root.request();
    request.config_file = Some(root.path.join("a\nb.toml"));
    let effective = load(&request).unwrap();
    let again = main_file(effective.render()).settings();
    assert_eq!(again, effective.settings);
    request.config_file = Some(root.path.join("a\nc.toml"));
    let message = load(&request).unwrap_err().to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
}
