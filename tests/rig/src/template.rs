//! The alarms and their policies, as `cloudformation/cluster.yaml` has them: what is simulated is what is deployed.

use std::time::Duration;

use ecs_lifecycle_simulator::{AlarmSpec, MetricSpec, Policy, Statistic};

const TEMPLATE: &str = include_str!("../../../cloudformation/cluster.yaml");

/// The block of a name: the lines below it that are further to the right.
fn block<'a>(text: &'a str, name: &str) -> Result<Vec<&'a str>, String> {
    let mut lines = text.lines();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let head = lines
        .find(|line| line.trim() == format!("{name}:"))
        .ok_or_else(|| format!("cluster.yaml has no {name}"))?;
    let deeper = |line: &&str| line.trim().is_empty() || indent(line) > indent(head);
    Ok(lines.take_while(deeper).collect())
}

/// The number that a parameter has by default.
pub fn default_of(parameter: &str) -> Result<u32, String> {
    let lines = block(TEMPLATE, parameter)?;
    lines
        .iter()
        .find_map(|line| line.trim().strip_prefix("Default: ")?.parse().ok())
        .ok_or_else(|| format!("{parameter} has no number for a default"))
}

/// An alarm's expression, with a reserve of one task.
fn expression(lines: &[&str]) -> Option<String> {
    let from = lines
        .iter()
        .position(|line| line.contains("Expression: "))?;
    let rest = lines.get(from..)?;
    let to = rest.iter().position(|line| line.contains("ReturnData"))?;
    let text: Vec<_> = rest.get(..to)?.iter().map(|line| line.trim()).collect();
    let text = text.join(" ").replace("Expression: ", "");
    Some(
        text.replace("!Sub ", "")
            .replace(['"', '\\'], "")
            .replace("${CapacityReserve}", "1"),
    )
}

/// A metric of an alarm, from the lines of `- Id: …` on.
fn metric(lines: &[&str], cluster: &str, group: &str) -> Option<MetricSpec> {
    let text = lines.join(" ");
    let after = |name: &str| {
        let (_, rest) = text.split_once(name)?;
        let end = rest.find([',', ' ', '}'])?;
        rest.get(..end).map(str::to_owned)
    };
    let of_cluster = text.contains("Name: ClusterName");
    Some(MetricSpec {
        id: after("- Id: ")?,
        name: after("MetricName: ")?,
        statistic: match after("{ Stat: ")?.as_str() {
            "Sum" => Statistic::Sum,
            "Maximum" => Statistic::Maximum,
            "SampleCount" => Statistic::SampleCount,
            _ => return None,
        },
        dimensions: if of_cluster {
            format!("ClusterName={cluster},AutoScalingGroupName={group}")
        } else {
            format!("AutoScalingGroupName={group}")
        },
    })
}

/// One alarm of the template.
pub fn alarm(
    name: &str,
    (periods, datapoints): (u32, u32),
    scales: Option<Policy>,
    cluster: &str,
    group: &str,
) -> Result<AlarmSpec, String> {
    let lines = block(TEMPLATE, name)?;
    let starts: Vec<usize> = (0..lines.len())
        .filter(|at| {
            lines
                .get(*at)
                .is_some_and(|line| line.trim().starts_with("- Id: "))
        })
        .collect();
    let metrics = starts.iter().enumerate().filter_map(|(at, from)| {
        let to = starts.get(at + 1).copied().unwrap_or(lines.len());
        metric(lines.get(*from..to)?, cluster, group)
    });
    let size = |number: u32| usize::try_from(number).map_err(|error| error.to_string());
    Ok(AlarmSpec {
        name: name.to_owned(),
        expression: expression(&lines).ok_or_else(|| format!("{name} has no expression"))?,
        metrics: metrics.collect(),
        periods: size(periods)?,
        datapoints: size(datapoints)?,
        scales: scales.map(|policy| (group.to_owned(), policy)),
    })
}

/// The three alarms of the template, with its defaults and a reserve of one task.
pub fn alarms(cluster: &str, group: &str) -> Result<Vec<AlarmSpec>, String> {
    let seconds = |name| default_of(name).map(|number| Duration::from_secs(u64::from(number)));
    let out = Policy::StepOut {
        warm_up: seconds("ScaleOutWarmup")?,
    };
    let inwards = Policy::SimpleIn {
        cooldown: seconds("ScaleInCooldown")?,
    };
    let minutes = default_of("ScaleOutMinutes")?;
    let window = (
        default_of("ScaleInMinutes")?,
        default_of("ScaleInDatapoints")?,
    );
    Ok(vec![
        alarm(
            "ScaleOutAlarm",
            (minutes, minutes),
            Some(out),
            cluster,
            group,
        )?,
        alarm("ScaleInAlarm", window, Some(inwards), cluster, group)?,
        alarm("SilentInstancesAlarm", (10, 10), None, cluster, group)?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alarms_are_read_whole() {
        let all = alarms("demo", "asg").unwrap();
        let ids = |at: usize| {
            let metrics = all[at].metrics.iter();
            metrics.map(|metric| metric.id.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(all[0].expression, "IF(t>=1 AND c<1,1,0)");
        assert_eq!(ids(0), ["c", "t"]);
        assert_eq!((all[0].periods, all[0].datapoints), (2, 2));
        assert_eq!(
            all[1].expression,
            "IF(i>1.0005 AND c-t>=1 AND n<=s AND n>=0.95*s  AND pending==0 AND terminating==0 AND s==desired,1,0)"
        );
        assert_eq!(
            ids(1),
            ["c", "i", "t", "n", "s", "desired", "pending", "terminating"]
        );
        assert_eq!((all[1].periods, all[1].datapoints), (15, 14));
        assert_eq!(
            all[1].metrics[0].dimensions,
            "ClusterName=demo,AutoScalingGroupName=asg"
        );
        assert_eq!(all[1].metrics[4].dimensions, "AutoScalingGroupName=asg");
        assert_eq!(all[2].expression, "IF(FILL(n,0)<s,1,0)");
        assert_eq!(ids(2), ["n", "s"]);
    }
}
