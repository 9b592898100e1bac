//! Runs every query that changes nothing. Nothing is judged here.
//!
//! Local probes run concurrently, then those of AWS, which need the region and the container instance. Each has
//! the timeout that the agent has for it. If a probe is not answered, those that depend on it are skipped, so that
//! the doctor takes a few seconds even if nothing answers.

mod aws;
mod host;
mod metadata;

use std::collections::BTreeSet;
use std::io;

use crate::cli::DoctorArguments;
use crate::clients::Endpoints;
use crate::clients::Introspection;
use crate::clients::aws::Aws;
use crate::clients::ecs::{list_tasks, registrations, resources};
use crate::clock::Clock;
use crate::config::{ConfigError, Effective, Settings};
use crate::effects::emf;

use super::facts::{Facts, Live};

/// Gathers the facts about this machine.
///
/// # Errors
/// Fails if no runtime can be set up.
pub fn gather(
    arguments: &DoctorArguments,
    configuration: Result<Effective, ConfigError>,
) -> io::Result<Facts> {
    let mut facts = Facts {
        configuration,
        host: host::Host::default(),
        live: None,
    };
    let settings = facts.settings();
    facts.host = host::look(&arguments.root, &settings, arguments.image);
    if !arguments.image {
        // The SDK and reqwest share this crypto provider. Only a second call could fail.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        facts.live = Some(runtime.block_on(live(&settings)));
        // A name look-up may still be blocked, and the doctor does not wait for it.
        runtime.shutdown_background();
    }
    Ok(facts)
}

async fn live(settings: &Settings) -> Live {
    let endpoints = Endpoints::from_environment(|name| std::env::var(name).ok());
    let clock = Clock::start();
    let introspection = Introspection::new(
        &settings.ecs.introspection_endpoint,
        settings.ecs.introspection_timeout,
    );
    let timeout = settings.metadata.request_timeout;
    let ((metadata, group), ecs_agent, local_tasks) = tokio::join!(
        metadata::ask(&endpoints.imds, timeout, clock),
        introspection.container_instance(),
        introspection.tasks(BTreeSet::new()),
    );

    let aws = Aws::new(settings.aws.request_timeout);
    let instance = metadata.instance.as_ref().ok();
    let target = ecs_agent.as_ref().ok().and_then(Option::as_ref);
    let ecs = async {
        match instance.zip(target) {
            Some((instance, target)) => {
                let id = &instance.instance_id;
                let (described, registered, tasks) = tokio::join!(
                    aws.ecs(instance, |ecs| async move { resources(&ecs, target).await }),
                    aws.ecs(instance, |ecs| async move {
                        registrations(&ecs, &target.cluster, id).await
                    }),
                    aws.ecs(instance, |ecs| async move {
                        list_tasks(&ecs, target, true).await
                    }),
                );
                (Some(described), Some(registered), Some(tasks))
            }
            None => (None, None, None),
        }
    };
    let group = settings
        .autoscaling
        .auto_scaling_group_name
        .clone()
        .or(group);
    let auto_scaling = async {
        match instance {
            Some(instance) => aws::auto_scaling(&aws, instance, group).await,
            None => aws::AutoScaling::default(),
        }
    };
    let listener = async {
        match settings.capacity.enabled {
            true => Some(emf::is_listening(settings.metrics.capacity_endpoint()).await),
            false => None,
        }
    };
    let ((described, registrations, tasks), auto_scaling, listener) =
        tokio::join!(ecs, auto_scaling, listener);
    let host = described.as_ref().and_then(|asked| asked.as_ref().ok());
    let host = host.cloned();
    Live {
        metadata,
        ecs_agent,
        local_tasks: local_tasks.map(|tasks| tasks.len()),
        container_instance: described.map(|asked| asked.map(|host| host.view)),
        registrations,
        host,
        listener,
        tasks,
        auto_scaling: auto_scaling.instance,
        group: auto_scaling.group,
        hooks: auto_scaling.hooks,
    }
}
