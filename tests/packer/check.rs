//! An image that would not work is not made.

use super::file::packaged;
use super::machine::{Machine, UNIT};
use super::moto::Moto;
use super::packer::{accept_ssh, build, skipped, ssh_is_up};
use super::stage::Stage;

/// The administrators' preset leaves the agent disabled, and their configuration is wrong.
#[test]
fn what_would_not_work_fails_the_build_and_no_image_is_made() {
    if skipped("packer/tools.sh") {
        return;
    }
    packaged(async || {
        let machine = Machine::without_agent().await;
        let key = accept_ssh(&machine).await;
        machine.write(
            "etc/systemd/system-preset/10-ours.preset",
            &format!("disable {UNIT}\n"),
        );
        machine.write(
            "etc/ecs-lifecycle-agent/config.d/10-ours.toml",
            "[drain]\ntimeout = \"soon\"\n",
        );
        let mut stage = Stage::as_it_is(machine, Vec::new()).await;
        stage.machine.boot().await;
        ssh_is_up().await;
        let moto = Moto::start().await;
        let (built, said) = build(Moto::ENDPOINT, &key, &[]).await;
        assert!(!built, "{said}");
        assert!(
            said.contains(&format!("check: {UNIT} is disabled, not enabled")),
            "{said}"
        );
        assert!(
            said.contains("check: the agent's configuration: "),
            "{said}"
        );
        assert!(said.contains("drain.timeout"), "{said}");
        let account = moto.ask("built").await;
        assert_eq!(account["images"].as_array().unwrap().len(), 0);
        assert_eq!(account["instances"][0]["State"]["Name"], "terminated");
    });
}
