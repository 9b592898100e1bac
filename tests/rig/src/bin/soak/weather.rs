//! What goes wrong around one instance, every few seconds: metadata, the ECS agent, AWS, tokens,
//! credentials.

use ecs_lifecycle_rig::Random;
use std::convert::Infallible;
use std::time::Duration;

use ecs_lifecycle_simulator::{AWS_CALLS, Fault, FaultKind};
use tokio::time::sleep;

use crate::counts;
use crate::introspection::Mode;
use crate::stage::{Play, text};

/// A kind of weather. A run with one kind alone tells which of them a growth comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Metadata tokens are no longer accepted.
    Tokens,
    /// Credentials have expired before their time.
    Credentials,
    /// Nothing listens where metadata is.
    NoMetadata,
    /// Metadata answers in every wrong way.
    Metadata,
    /// The ECS agent is away.
    NoEcsAgent,
    /// The ECS agent's introspection answers in every wrong way.
    Introspection,
    /// AWS answers in every wrong way.
    Aws,
    /// Nothing goes wrong.
    Calm,
}

impl Weather {
    /// From the command line.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "tokens" => Self::Tokens,
            "credentials" => Self::Credentials,
            "no-metadata" => Self::NoMetadata,
            "metadata" => Self::Metadata,
            "no-ecs-agent" => Self::NoEcsAgent,
            "introspection" => Self::Introspection,
            "aws" => Self::Aws,
            "calm" => Self::Calm,
            _ => return None,
        })
    }

    fn any(random: &mut Random) -> Self {
        match random.between(0, 10) {
            0 => Self::Tokens,
            1 => Self::Credentials,
            2 => Self::NoMetadata,
            3 | 4 => Self::Metadata,
            5 => Self::NoEcsAgent,
            6 => Self::Introspection,
            _ => Self::Aws,
        }
    }
}

/// Never ends, but in trouble. `only` is the one kind that there is to be.
pub(crate) async fn change(play: Play, only: Option<Weather>) -> Result<Infallible, String> {
    let mut random = Random::new(2000 + play.number);
    loop {
        sleep(random.millis(300, 2500)).await;
        counts::add(&play.counts.disturbances);
        let while_ = random.millis(30, 600);
        let any = Weather::any(&mut random);
        match only.unwrap_or(any) {
            Weather::Tokens => play.instance.revoke_tokens(),
            Weather::Credentials => play.instance.expire_credentials(),
            Weather::NoMetadata => {
                play.instance.close_imds().await;
                sleep(while_).await;
                play.instance.open_imds().map_err(text)?;
            }
            Weather::Metadata => {
                let kind = metadata_fault(&mut random);
                fault(&play, "imds:*", kind, while_).await;
            }
            Weather::NoEcsAgent => {
                play.introspection.down();
                play.instance.ecs_agent_down().await;
                // Now and then for so long that ECS is asked instead.
                sleep(while_ * u32::try_from(random.between(1, 5)).unwrap_or(1)).await;
                play.instance.ecs_agent_up().map_err(text)?;
                play.introspection.up().await.map_err(text)?;
            }
            Weather::Introspection => {
                play.introspection.set(introspection_mode(&mut random));
                sleep(while_).await;
                play.introspection.set(Mode::Well);
            }
            Weather::Aws => {
                let kind = aws_fault(&mut random);
                fault(&play, AWS_CALLS, kind, while_).await;
            }
            Weather::Calm => {}
        }
    }
}

async fn fault(play: &Play, operation: &str, kind: FaultKind, while_: Duration) {
    let simulator = play.instance.simulator();
    let fault = simulator.fault(Fault::on(operation, kind).of_instance(play.instance.id()));
    sleep(while_).await;
    simulator.remove_fault(fault);
}

fn metadata_fault(random: &mut Random) -> FaultKind {
    match random.between(0, 12) {
        0 => FaultKind::Status(500, None),
        1 => FaultKind::Status(503, None),
        2 => FaultKind::Status(404, None),
        3 => FaultKind::ExpiredCredentials,
        4 => FaultKind::Hang,
        5 => FaultKind::Garbage,
        6 => FaultKind::Truncated,
        7 => FaultKind::ResetMidBody,
        8 => FaultKind::Empty,
        9 => FaultKind::WrongType,
        10 => FaultKind::Huge(100_000),
        _ => FaultKind::Refuse,
    }
}

fn introspection_mode(random: &mut Random) -> Mode {
    match random.between(0, 5) {
        0 => Mode::InternalError,
        1 => Mode::Garbage,
        2 => Mode::Hangs,
        3 => Mode::Cut,
        _ => Mode::Commands,
    }
}

fn aws_fault(random: &mut Random) -> FaultKind {
    match random.between(0, 10) {
        0 => FaultKind::Throttled,
        1 => FaultKind::InternalError,
        2 => FaultKind::ExpiredCredentials,
        3 => FaultKind::Hang,
        4 => FaultKind::LostResponse,
        5 => FaultKind::Garbage,
        6 => FaultKind::Truncated,
        7 => FaultKind::SlowResponse(Duration::from_millis(700)),
        8 => FaultKind::ResetMidBody,
        _ => FaultKind::Refuse,
    }
}
