//! Parsers for the answers of the metadata service and of the ECS agent. They are pure and total: any bytes give a
//! value or an explanation. An answer of the wrong shape is an error, never an empty result.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::io::{BufReader, Read};
use std::marker::PhantomData;
use std::time::SystemTime;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, Deserializer};

use crate::decide::{ContainerInstance, LocalTask, TargetLifecycleState, Task, TaskStatus};

/// Why an answer cannot be parsed.
pub type Misfit = String;

/// The fields of the instance identity document that the agent needs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityDocument {
    instance_id: String,
    region: String,
    // Any value is accepted, because a wrong one must not stop the agent.
    #[serde(default)]
    pending_time: serde_json::Value,
}

/// What the agent needs of the instance identity document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The instance id, `i-…`.
    pub instance_id: String,
    /// The region, such as `eu-central-1`.
    pub region: String,
    /// `pendingTime`, of the launch or of the last start from a stop; `None` if it is not a time.
    pub pending_time: Option<SystemTime>,
}

/// Parses `dynamic/instance-identity/document`.
///
/// # Errors
/// Fails if it is not the expected JSON object.
pub fn identity_document(body: &[u8]) -> Result<Identity, Misfit> {
    // The document authenticates calls to CloudFormation, so no part of it may be logged.
    let document: IdentityDocument =
        object(body).map_err(|misfit| format!("not an instance identity document ({misfit})"))?;
    let plain = |text: &str| {
        !text.is_empty()
            && text.len() <= 64
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    if !plain(&document.instance_id) || !document.instance_id.starts_with("i-") {
        return Err("instanceId is not an instance id".to_owned());
    }
    if !plain(&document.region) {
        return Err("region is not a region name".to_owned());
    }
    let pending_time = document
        .pending_time
        .as_str()
        .and_then(|time| humantime::parse_rfc3339(time).ok());
    Ok(Identity {
        instance_id: document.instance_id,
        region: document.region,
        pending_time,
    })
}

/// Checks `dynamic/instance-identity/signature`.
///
/// # Errors
/// Fails if it is not base64, in one line or several.
pub fn identity_signature(body: &[u8]) -> Result<(), Misfit> {
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(byte);
    if !body.is_empty() && body.iter().all(base64) {
        Ok(())
    } else {
        Err("not an instance identity signature".to_owned())
    }
}

/// Parses `autoscaling/target-lifecycle-state`.
///
/// # Errors
/// Fails if it is not one short word.
pub fn target_lifecycle_state(body: &[u8]) -> Result<TargetLifecycleState, Misfit> {
    let text = std::str::from_utf8(body)
        .map_err(|_| "not UTF-8".to_owned())?
        .trim();
    let word = !text.is_empty()
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == ':');
    if word {
        Ok(TargetLifecycleState::parse(text))
    } else {
        Err("not a lifecycle state".to_owned())
    }
}

/// A Spot interruption notice of the metadata service.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SpotNotice {
    /// The action: `terminate`, `stop` or `hibernate`.
    pub action: String,
    /// The time of the action, in RFC 3339.
    pub time: String,
}

/// Parses `spot/instance-action` into the notice and its time.
///
/// # Errors
/// Fails if it is not the expected JSON object, or if its time is invalid.
pub fn spot_instance_action(body: &[u8]) -> Result<(SpotNotice, SystemTime), Misfit> {
    let notice: SpotNotice =
        object(body).map_err(|misfit| format!("not a Spot instance action ({misfit})"))?;
    if !["terminate", "stop", "hibernate"].contains(&notice.action.as_str()) {
        return Err("action is none of terminate, stop, hibernate".to_owned());
    }
    let time = rfc3339(&notice.time).map_err(|why| format!("time: {why}"))?;
    Ok((notice, time))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recommendation {
    notice_time: String,
}

/// Parses `events/recommendations/rebalance` into the text of the notice's time.
///
/// # Errors
/// Fails if it is not the expected JSON object, or if its time is invalid.
pub fn rebalance_recommendation(body: &[u8]) -> Result<String, Misfit> {
    let found: Recommendation =
        object(body).map_err(|misfit| format!("not a rebalance recommendation ({misfit})"))?;
    humantime::parse_rfc3339(&found.notice_time).map_err(|error| format!("noticeTime: {error}"))?;
    Ok(found.notice_time)
}

/// An entry of `events/maintenance/scheduled`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ScheduledEvent {
    /// The code: `instance-stop`, `instance-retirement`, `instance-reboot`, `system-reboot` or `system-maintenance`.
    pub code: String,
    /// The earliest start of the event, such as `21 Jan 2019 09:00:43 GMT`.
    pub not_before: String,
    /// The id of the event, `instance-event-…`.
    #[serde(default)]
    pub event_id: String,
    /// The state of the event: `active`, `completed` or `canceled`.
    #[serde(default)]
    pub state: String,
}

/// Parses `events/maintenance/scheduled` into the earliest active event that stops, reboots or retires the
/// instance, with its time.
///
/// # Errors
/// Fails if it is not the expected JSON list, or if a time in it is invalid.
pub fn scheduled_events(body: &[u8]) -> Result<Option<(ScheduledEvent, SystemTime)>, Misfit> {
    let events: Vec<ScheduledEvent> = serde_json::from_slice(body)
        .map_err(|error| format!("not a list of scheduled events ({})", kind_of(&error)))?;
    let mut first: Option<(ScheduledEvent, SystemTime)> = None;
    for event in events {
        let codes = [
            "instance-stop",
            "instance-retirement",
            "instance-reboot",
            "system-reboot",
        ];
        if !codes.contains(&event.code.as_str()) || event.state != "active" {
            continue;
        }
        let word = |text: &str| text.len() <= 64 && !text.chars().any(char::is_control);
        if !word(&event.event_id) {
            return Err("EventId is not an event id".to_owned());
        }
        let time = gmt(&event.not_before)
            .ok_or_else(|| "NotBefore is not a time such as 21 Jan 2019 09:00:43 GMT".to_owned())?;
        if first.as_ref().is_none_or(|(_, earliest)| time < *earliest) {
            first = Some((event, time));
        }
    }
    Ok(first)
}

/// Parses the time of a scheduled event, such as `21 Jan 2019 09:00:43 GMT`.
fn gmt(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let [day, month, year, time, "GMT"] = text.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    // The parser of RFC 3339 checks the rest, above all the calendar.
    rfc3339(&format!("{year}-{month:02}-{day:0>2}T{time}Z")).ok()
}

/// Parses a time. Its characters are checked first, because humantime accepts any of them as the digits of a
/// fraction and the text is logged.
fn rfc3339(text: &str) -> Result<SystemTime, Misfit> {
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"-:.TZ".contains(&byte))
    {
        return Err("not a time such as 2017-09-18T08:22:00Z".to_owned());
    }
    humantime::parse_rfc3339(text).map_err(|error| error.to_string())
}

/// Parses the value of an instance tag.
///
/// # Errors
/// Fails if it is not one short line of text.
pub fn tag(body: &[u8]) -> Result<String, Misfit> {
    let text = std::str::from_utf8(body)
        .map_err(|_| "not UTF-8".to_owned())?
        .trim();
    if text.is_empty() || text.len() > 256 || text.chars().any(char::is_control) {
        return Err("not a tag value".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses a list of names, one on each line, such as instance tags or roles.
///
/// # Errors
/// Fails if it is not text, or if it is HTML or JSON.
pub fn names(body: &[u8]) -> Result<Vec<String>, Misfit> {
    let text = std::str::from_utf8(body).map_err(|_| "not UTF-8".to_owned())?;
    let names: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let plain = |name: &String| {
        name.len() <= 256 && !name.starts_with(['<', '{']) && !name.chars().any(char::is_control)
    };
    if names.iter().all(plain) {
        Ok(names)
    } else {
        Err("not a list of names".to_owned())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AgentMetadata {
    cluster: String,
    // The field is required, and null until the ECS agent has registered. Without it, something else has answered.
    #[serde(deserialize_with = "Option::deserialize")]
    container_instance_arn: Option<String>,
}

/// Parses `/v1/metadata` of the ECS agent; `None` while it has no ARN yet.
///
/// # Errors
/// Fails if it has another shape: an unknown path is answered with status 200 as well.
pub fn agent_metadata(body: &[u8]) -> Result<Option<ContainerInstance>, Misfit> {
    let metadata: AgentMetadata =
        object(body).map_err(|misfit| format!("not the ECS agent's metadata ({misfit})"))?;
    let Some(arn) = metadata
        .container_instance_arn
        .filter(|arn| !arn.is_empty())
    else {
        return Ok(None);
    };
    if !arn.starts_with("arn:")
        || !arn.contains(":container-instance/")
        || arn.chars().any(char::is_control)
    {
        return Err("ContainerInstanceArn is not a container instance's ARN".to_owned());
    }
    if metadata.cluster.is_empty() || metadata.cluster.chars().any(char::is_control) {
        return Err("Cluster is not a cluster name".to_owned());
    }
    Ok(Some(ContainerInstance {
        cluster: metadata.cluster,
        arn,
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AgentTask {
    arn: String,
    #[serde(default)]
    family: Option<String>,
    #[serde(default)]
    version: Option<String>,
    known_status: String,
    #[serde(default)]
    desired_status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkedTask {
    arn: String,
    #[serde(default)]
    family: Option<String>,
    #[serde(default)]
    version: Option<String>,
    known_status: String,
    #[serde(default)]
    containers: Option<Vec<NetworkedContainer>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkedContainer {
    #[serde(default)]
    networks: Option<Vec<Network>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    #[serde(default)]
    network_mode: Option<String>,
}

/// The most tasks that are kept, far more than a container instance can run.
const MOST_TASKS: usize = 5_000;
/// The most bytes of a text that is kept. An ARN has up to 2,048 characters, the name of a family up to 255.
pub(super) const LONGEST_TEXT: usize = 2_048;

/// Parses `/v1/tasks` of the ECS agent as it arrives: the tasks that are not STOPPED, and of the stopped ones,
/// which are listed for hours, those whose ARNs are in `open`.
///
/// # Errors
/// Fails if it has another shape: `{"Tasks":null}` is an internal error of the ECS agent, not "no tasks".
pub fn agent_tasks(body: impl Read, open: &BTreeSet<String>) -> Result<Vec<Task>, Misfit> {
    one_by_one(body, |task: AgentTask| {
        let known = status(&task.known_status);
        let stopped = known == TaskStatus::Stopped;
        if stopped && !open.contains(&task.arn) {
            return None;
        }
        let stopping = |desired: &str| status(desired) == TaskStatus::Stopped;
        Some(Task {
            known,
            stopping: task.desired_status.as_deref().is_some_and(stopping),
            definition: if stopped {
                String::new()
            } else {
                definition(task.family.as_deref(), task.version.as_deref())
            },
            arn: task.arn,
        })
    })
}

/// Parses the tasks of `/v1/tasks` that are not STOPPED, and which of them have a network interface of their own.
///
/// # Errors
/// Fails as [`agent_tasks`] does.
pub fn agent_task_set(body: impl Read) -> Result<Vec<LocalTask>, Misfit> {
    one_by_one(body, |task: NetworkedTask| {
        let containers = task.containers.iter().flatten();
        let mut networks = containers.flat_map(|container| container.networks.iter().flatten());
        let awsvpc = networks.any(|network| network.network_mode.as_deref() == Some("awsvpc"));
        (status(&task.known_status) != TaskStatus::Stopped).then(|| LocalTask {
            definition: definition(task.family.as_deref(), task.version.as_deref()),
            awsvpc,
            arn: task.arn,
        })
    })
}

/// A task whose texts have a bounded length.
trait Kept {
    fn longest(&self) -> usize;
}

impl Kept for Task {
    fn longest(&self) -> usize {
        self.arn.len().max(self.definition.len())
    }
}

impl Kept for LocalTask {
    fn longest(&self) -> usize {
        self.arn.len().max(self.definition.len())
    }
}

/// Parses the list task by task and keeps only what `keep` returns, because thousands of tasks may have run here
/// in the last hours.
fn one_by_one<T: DeserializeOwned, R: Kept>(
    body: impl Read,
    keep: impl FnMut(T) -> Option<R>,
) -> Result<Vec<R>, Misfit> {
    let mut reader = serde_json::Deserializer::from_reader(BufReader::new(body));
    AgentTasks(keep, PhantomData)
        .deserialize(&mut reader)
        .and_then(|tasks| reader.end().map(|()| tasks))
        .map_err(|error| format!("not the ECS agent's tasks ({error})"))
}

/// The object that contains the list of tasks.
struct AgentTasks<F, T>(F, PhantomData<T>);

impl<'de, F: FnMut(T) -> Option<R>, T: DeserializeOwned, R: Kept> DeserializeSeed<'de>
    for AgentTasks<F, T>
{
    type Value = Vec<R>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<R>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(T) -> Option<R>, T: DeserializeOwned, R: Kept> Visitor<'de>
    for AgentTasks<F, T>
{
    type Value = Vec<R>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list of tasks")
    }
    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Vec<R>, A::Error> {
        let mut tasks = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key != "Tasks" {
                map.next_value::<IgnoredAny>()?;
            } else if tasks
                .replace(map.next_value_seed(EachTask(&mut self.0, PhantomData))?)
                .is_some()
            {
                return Err(A::Error::duplicate_field("Tasks"));
            }
        }
        tasks.ok_or_else(|| A::Error::missing_field("Tasks"))
    }
}

/// The list of tasks in that object.
struct EachTask<'a, F, T>(&'a mut F, PhantomData<T>);

impl<'de, F: FnMut(T) -> Option<R>, T: DeserializeOwned, R: Kept> DeserializeSeed<'de>
    for EachTask<'_, F, T>
{
    type Value = Vec<R>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<R>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(T) -> Option<R>, T: DeserializeOwned, R: Kept> Visitor<'de>
    for EachTask<'_, F, T>
{
    type Value = Vec<R>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tasks")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<R>, A::Error> {
        let mut tasks = Vec::new();
        while let Some(task) = list.next_element::<T>()? {
            let Some(task) = (self.0)(task) else { continue };
            if task.longest() > LONGEST_TEXT {
                return Err(A::Error::custom("a name that is too long"));
            }
            if tasks.len() >= MOST_TASKS {
                return Err(A::Error::custom("more tasks than can run here"));
            }
            tasks.push(task);
        }
        Ok(tasks)
    }
}

/// Parses the status of a task. A status that is not known counts as not stopped.
pub fn status(text: &str) -> TaskStatus {
    match text {
        "STOPPED" => TaskStatus::Stopped,
        "RUNNING" => TaskStatus::Running,
        _ => TaskStatus::Pending,
    }
}

fn definition(family: Option<&str>, version: Option<&str>) -> String {
    match (family, version) {
        (Some(family), Some(version)) => format!("{family}:{version}"),
        (Some(family), None) => family.to_owned(),
        (None, _) => String::new(),
    }
}

/// Parses a JSON object. serde by itself would also accept an array of the values in the order of the fields.
fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, &'static str> {
    let value = serde_json::from_slice(body).map_err(|error| kind_of(&error))?;
    if body.trim_ascii_start().starts_with(b"{") {
        Ok(value)
    } else {
        Err("of another shape")
    }
}

/// What is wrong with a JSON text, without quoting any of it.
fn kind_of(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Io => "unreadable",
        serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Data => "of another shape",
        serde_json::error::Category::Eof => "cut short",
    }
}
