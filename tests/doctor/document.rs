//! docs/doctor.md lists every check, and no other.

use ecs_lifecycle_agent::doctor::Check;

#[test]
fn the_document_and_the_code_have_the_same_checks() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/doctor.md");
    let document = std::fs::read_to_string(path).unwrap();
    let documented: Vec<&str> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(id, _)| id)
        .collect();
    let known: Vec<&str> = Check::ALL.iter().map(|check| check.id()).collect();
    assert_eq!(documented, known);
}
