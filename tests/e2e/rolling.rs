//! A rolling update, as CloudFormation does it: launch one, wait for its signal, terminate an old one.

use ecs_lifecycle_rig::{AgentProcess, Scratch};
use ecs_lifecycle_simulator::{
    Instance, InstanceSpec, LifecycleActionResult, LifecycleState, Options, Simulator, StackSpec,
    TargetLifecycleState, What,
};

use super::newcomer::{COMPLETE, DRAIN, LAUNCH, RESOURCE, SIGNAL, STACK, agent, group, spec};
use super::scripts::Scripts;
use super::stage::{KNOWN, PATIENCE, web};

struct Member {
    instance: Instance,
    process: AgentProcess,
    _scripts: Scripts,
    _scratch: Scratch,
}

impl Member {
    fn of(instance: Instance) -> Self {
        let scratch = Scratch::new().unwrap();
        let scripts = Scripts::below(scratch.path());
        let process = agent(&instance, &scratch, &scripts).start().unwrap();
        Self {
            instance,
            process,
            _scripts: scripts,
            _scratch: scratch,
        }
    }

    /// When, in real time, something first happened to it.
    fn at(&self, what: &str, is: impl Fn(&What) -> bool) -> std::time::Duration {
        let simulator = self.instance.simulator();
        let at = simulator.world(|world| {
            let event = world.event_of(self.instance.id(), is);
            event.map(|event| event.at_real)
        });
        at.unwrap_or_else(|| panic!("{what} of {}:\n{}", self.instance.id(), self.process.text()))
    }
}

#[tokio::test]
async fn no_old_instance_goes_before_its_replacement_has_joined() {
    let simulator = Simulator::start(Options::default()).await.unwrap();
    simulator.add_cluster("demo");
    simulator.add_group(group());
    simulator.add_stack(&StackSpec::new(STACK).waiting_for(RESOURCE, 1));
    simulator.set_waiting(STACK, RESOURCE, false);
    let mut old = Vec::new();
    for _ in 0..3 {
        let there = InstanceSpec::new("demo")
            .group("demo-asg")
            .stack_tags(STACK, RESOURCE)
            .task(web(300))
            .task(web(600));
        old.push(Member::of(simulator.add_instance(there).await.unwrap()));
    }
    for member in &old {
        member.process.says(KNOWN).await;
    }

    let mut new: Vec<Member> = Vec::new();
    for leaving in &old {
        simulator.set_waiting(STACK, RESOURCE, true);
        let replacement = Member::of(simulator.launch(spec()).await.unwrap());
        let waited = simulator
            .wait_until("the replacement's signal", PATIENCE, |world| {
                !world.stack(STACK).unwrap().resources[RESOURCE].waiting
            })
            .await;
        if let Err(error) = waited {
            panic!("{error}\n{}", replacement.process.text());
        }
        assert!(!simulator.world(|world| world.stack(STACK).unwrap().resources[RESOURCE].failed));
        assert!(leaving.instance.terminate());
        leaving.instance.wait_until_gone(PATIENCE).await.unwrap();
        new.push(replacement);
    }

    for (leaving, joining) in old.iter().zip(&new) {
        let connected = joining.at("connection", |what| *what == What::AgentConnected(true));
        let completed = joining.at("completion", |what| {
            matches!(what, What::HookCompleted { hook, result, .. }
                if hook == LAUNCH && *result == LifecycleActionResult::Continue)
        });
        let signalled = joining.at("signal", |what| {
            matches!(what, What::SignalReceived { success: true, .. })
        });
        let terminated = leaving.at("termination", |what| {
            *what == What::TargetStateSet(TargetLifecycleState::Terminated)
        });
        assert!(connected < completed && completed <= signalled && signalled < terminated);
    }
    simulator.world(|world| {
        assert!(world.killed().is_empty(), "{:?}", world.killed());
        // Each replacement said it once, and nobody else said anything.
        let requests = world.requests();
        let mut heard: Vec<_> = requests
            .matching(SIGNAL)
            .map(|request| {
                assert!(request.executed);
                assert_eq!(request.params["Status"], "SUCCESS");
                request.params["UniqueId"].as_str().unwrap().to_owned()
            })
            .collect();
        heard.sort();
        let ids = new.iter().map(|member| member.instance.id().to_owned());
        let mut ids: Vec<_> = ids.collect();
        ids.sort();
        assert_eq!(heard, ids);
        assert_eq!(requests.executed(COMPLETE), 6);
        for member in &old {
            let completions = &world.instance(member.instance.id()).unwrap().completions;
            assert_eq!((completions.len(), completions[DRAIN]), (1, 1));
        }
        for member in &new {
            let instance = world.instance(member.instance.id()).unwrap();
            assert_eq!(instance.completions.len(), 1);
            assert_eq!(instance.lifecycle_state, Some(LifecycleState::InService));
        }
    });
}
