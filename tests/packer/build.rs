//! From the template to an instance that drains.

use super::file::packaged;
use super::machine::{Machine, UNIT, poll};
use super::moto::Moto;
use super::packer::{accept_ssh, architecture, build, skipped, ssh_is_up};
use super::stage::{COMPLETE, Stage, web};

#[test]
fn an_instance_of_the_image_drains() {
    if skipped("packer/tools.sh") {
        return;
    }
    packaged(async || {
        let machine = Machine::without_agent().await;
        let key = accept_ssh(&machine).await;
        let mut stage = Stage::as_it_is(machine, vec![web(3)]).await;
        stage.machine.boot().await;
        ssh_is_up().await;
        let moto = Moto::start().await;
        let (built, said) = build(Moto::ENDPOINT, &key, &["-var", "tags={team=\"ours\"}"]).await;
        assert!(built, "{said}");
        assert!(
            said.contains("check: an instance of this image would work"),
            "{said}"
        );

        // The doctor was asked, too.
        assert!(said.contains(" with a warning, 0 failed"), "{said}");

        // What AWS has of it.
        let account = moto.ask("built").await;
        let images = account["images"].as_array().unwrap();
        assert_eq!(images.len(), 1, "{images:?}");
        let image = &images[0];
        assert!(
            image["Name"]
                .as_str()
                .unwrap()
                .starts_with(&format!("ecs-al2023-{}-", architecture())),
            "{image}"
        );
        let tag = |of: &serde_json::Value, key: &str| {
            let tags = of["Tags"].as_array().unwrap();
            let tag = tags.iter().find(|tag| tag["Key"] == key);
            tag.map(|tag| tag["Value"].as_str().unwrap().to_owned())
        };
        assert_eq!(tag(image, "team").as_deref(), Some("ours"));
        assert_eq!(tag(image, "ecs-lifecycle-agent").as_deref(), Some("baked"));
        let from = tag(image, "source-ami-name").unwrap();
        assert!(from.starts_with("al2023-ami-ecs-hvm-"), "{from}");
        let instances = account["instances"].as_array().unwrap();
        assert_eq!(instances.len(), 1, "{instances:?}");
        let options = &instances[0]["MetadataOptions"];
        assert_eq!(options["HttpTokens"], "required", "{options}");
        assert_eq!(options["HttpPutResponseHopLimit"], 2, "{options}");
        assert_eq!(instances[0]["State"]["Name"], "terminated");

        // The same system, as an instance of the image.
        stage.instance.set_user_data(&format!(
            "#ecs-image\nECS_CLUSTER=demo\n{}ECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT=7m\n",
            stage.endpoints("")
        ));
        stage.machine.systemctl(&["poweroff"]).await;
        stage.machine.ended().await;
        stage.boot().await;
        let machine = &stage.machine;
        assert_eq!(
            machine.run(&["cat", "/etc/ecs/ecs.config"]).await,
            "ECS_CLUSTER=demo\n"
        );
        assert_eq!(
            machine.property_of("ecs.service", "ActiveState").await,
            "active"
        );
        assert_eq!(machine.property("UnitFileState").await, "enabled");
        machine
            .run(&["systemd-analyze", "security", "--threshold=15", UNIT])
            .await;
        stage.instance.terminate();
        let status = stage.tasks_left().await;
        assert!(status.contains(" 6m "), "{status}");
        stage.gone_in_order().await;
        assert_eq!(stage.count(COMPLETE), 1);
        // What is shipped.
        poll("the log that is shipped", async || {
            let log = machine
                .run(&["cat", "/var/log/ecs/ecs-lifecycle-agent.log"])
                .await;
            (log.contains("configured from: user data") && log.contains("target lifecycle state"))
                .then_some(())
        })
        .await;

        // Once in its life.
        stage.instance.set_user_data(
            "#ecs-image\nECS_CLUSTER=other\nECS_LIFECYCLE_AGENT_DRAIN__TIMEOUT=1m\n",
        );
        stage.machine.systemctl(&["poweroff"]).await;
        stage.machine.ended().await;
        stage.machine.boot().await;
        let machine = &stage.machine;
        machine.until_is("ActiveState", "active").await;
        let environment = machine
            .run(&["cat", "/etc/ecs-lifecycle-agent/environment"])
            .await;
        assert!(environment.ends_with("TIMEOUT=7m\n"), "{environment}");
        assert_eq!(
            machine.run(&["cat", "/etc/ecs/ecs.config"]).await,
            "ECS_CLUSTER=demo\n"
        );
    });
}
