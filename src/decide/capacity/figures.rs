//! The figures of one host: pure arithmetic.

use ecs_lifecycle_config::CapacitySettings;

use crate::model::{
    ContainerInstanceStatus, Figures, HostView, Limit, LocalTask, Silence, Verdict,
};

/// How many tasks one resource allows: on an empty host, and now.
struct Allowed {
    by: Limit,
    total: u32,
    free: u32,
}

/// The figures, and whether they are published. `standing` is why this instance may not speak at all.
pub fn judge(
    task: &CapacitySettings,
    standing: Option<Silence>,
    host: Result<&HostView, Silence>,
    tasks: Result<&[LocalTask], Silence>,
    ours: &str,
) -> Verdict {
    let figures = match (&host, &tasks) {
        _ if !task.is_configured() => Err(Silence::NotConfigured),
        (Err(why), _) => Err(why.clone()),
        (_, Err(why)) if task.awsvpc => Err(why.clone()),
        (Ok(host), tasks) => figures(task, host, tasks.as_ref().map_or(&[], |tasks| *tasks)),
    };
    let elsewhere = |host: &&HostView| {
        let theirs = host.view.ec2_instance_id.as_ref();
        theirs.is_some_and(|theirs| theirs != ours)
    };
    let silence = if !task.is_configured() {
        Some(Silence::NotConfigured)
    } else if !task.enabled {
        Some(Silence::NotEnabled)
    } else {
        standing.or(match host {
            Err(why) => Some(why),
            Ok(host) if elsewhere(&host) => Some(Silence::Foreign),
            Ok(HostView { view, .. }) if view.status != ContainerInstanceStatus::Active => {
                Some(Silence::NotActive(view.status.clone()))
            }
            Ok(host) if !host.view.agent_connected => Some(Silence::Disconnected),
            Ok(_) => tasks.err().or_else(|| figures.as_ref().err().cloned()),
        })
    };
    Verdict {
        figures: figures.ok(),
        silence,
    }
}

/// What fits on the host. A resource that the task does not need does not count.
fn figures(
    task: &CapacitySettings,
    host: &HostView,
    tasks: &[LocalTask],
) -> Result<Figures, Silence> {
    let (registered, remaining) = (&host.registered, &host.remaining);
    let mut allowed = Vec::new();
    for (by, need, daemons, has, left) in [
        (
            Limit::Cpu,
            task.cpu,
            task.daemon_cpu,
            registered.cpu,
            remaining.cpu,
        ),
        (
            Limit::Memory,
            task.memory,
            task.daemon_memory,
            registered.memory,
            remaining.memory,
        ),
    ] {
        if need > 0 {
            let (has, left) = has.zip(left).ok_or(Silence::Unnamed(by))?;
            let fits = |amount: i64| count(amount.max(0) / i64::from(need));
            let total = fits(has.saturating_sub(i64::from(daemons)));
            let free = fits(left).min(total);
            allowed.push(Allowed { by, total, free });
        }
    }
    if !task.ports.is_empty() {
        let none_of = |taken: &[_]| u32::from(!task.ports.iter().any(|port| taken.contains(port)));
        let total = none_of(&registered.ports);
        allowed.push(Allowed {
            by: Limit::Ports,
            total,
            free: none_of(&remaining.ports).min(total),
        });
    }
    if task.awsvpc {
        let used = tasks.iter().filter(|task| task.awsvpc).count();
        let used = u32::try_from(used).unwrap_or(u32::MAX);
        allowed.push(Allowed {
            by: Limit::TaskEnis,
            total: task.task_enis,
            free: task.task_enis.saturating_sub(used),
        });
    }
    let fewest = allowed
        .iter()
        .min_by_key(|allowed| allowed.free)
        .ok_or(Silence::NotConfigured)?;
    let idle = |allowed: &Allowed| {
        let thousandths = u64::from(allowed.free) * 1_000;
        thousandths
            .checked_div(u64::from(allowed.total))
            .unwrap_or(0)
    };
    Ok(Figures {
        container_capacity: fewest.free,
        idle_thousandths: u32::try_from(allowed.iter().map(idle).min().unwrap_or(0)).unwrap_or(0),
        tasks_per_host: allowed
            .iter()
            .map(|allowed| allowed.total)
            .min()
            .unwrap_or(0),
        limited_by: fewest.by,
    })
}

fn count(amount: i64) -> u32 {
    u32::try_from(amount).unwrap_or(u32::MAX)
}
