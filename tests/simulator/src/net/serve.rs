//! The way of one request: record, faults, gates, model, answer.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response};

use super::body::SimBody;
use super::connection::ResetFlag;
use super::{Call, Front, served};
use crate::api::{self, Reply};
use crate::fault::{FaultKind, HoldPoint, Verdict};
use crate::model::{Outcome, RequestRecord};
use crate::shared::Shared;
use crate::{ids, metadata};

/// The connection is broken off instead of an answer.
#[derive(Debug)]
pub(super) struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken off")
    }
}

impl std::error::Error for BrokenOff {}

const MOST_BODY: usize = 4 * 1024 * 1024;

pub(super) async fn serve(
    shared: Arc<Shared>,
    front: Arc<Front>,
    reset: ResetFlag,
    request: Request<Incoming>,
) -> Result<Response<SimBody>, BrokenOff> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MOST_BODY)
        .collect()
        .await
        .map_err(|_| BrokenOff)?
        .to_bytes();
    let call = Call::read(&front, parts, &body);
    served::note(&call);
    let mut ticket = Ticket::take(shared, &call);
    let faults = ticket
        .shared
        .rules()
        .decide(&call.operation, ticket.instance.as_deref());
    let passages = ticket
        .shared
        .gates()
        .passages(&call.operation, ticket.instance.as_deref());

    let mut fault = None;
    for kind in faults {
        match kind {
            FaultKind::Delay(delay) => tokio::time::sleep(ticket.shared.clock.real(delay)).await,
            other => fault = Some(other),
        }
    }
    for passage in passages.iter().filter(|p| p.point == HoldPoint::Before) {
        if passage.pass(ticket.seq, &call.operation).await == Verdict::Reset {
            return ticket.broken("Reset", &reset);
        }
    }
    match fault.as_ref() {
        None => {}
        Some(FaultKind::Refuse) => return ticket.broken("Refuse", &reset),
        Some(FaultKind::Hang) => {
            ticket.finish(
                Outcome::Fault {
                    kind: "Hang".to_owned(),
                },
                None,
            );
            return std::future::pending().await;
        }
        Some(FaultKind::Huge(bytes)) => {
            ticket.finish(
                Outcome::Fault {
                    kind: "Huge".to_owned(),
                },
                Some(200),
            );
            return respond(Reply::ok("text/plain", Bytes::new()), SimBody::huge(*bytes));
        }
        Some(kind) if !kind.hits_the_answer() => {
            let reply = api::fault_reply(kind, &call, &ticket.request_id);
            ticket.finish(
                Outcome::Fault {
                    kind: kind.name().to_owned(),
                },
                Some(reply.status),
            );
            return whole(reply);
        }
        Some(_) => {}
    }

    let reply = ticket.execute(&call);
    for passage in passages.iter().filter(|p| p.point == HoldPoint::After) {
        if passage.pass(ticket.seq, &call.operation).await == Verdict::Reset {
            return ticket.broken("Reset", &reset);
        }
    }
    match fault {
        Some(FaultKind::LostResponse) => ticket.broken("LostResponse", &reset),
        Some(FaultKind::SlowResponse(delay)) => {
            tokio::time::sleep(ticket.shared.clock.real(delay)).await;
            let kind = "SlowResponse".to_owned();
            ticket.finish(Outcome::Fault { kind }, Some(reply.status));
            whole(reply)
        }
        Some(kind) => {
            ticket.finish(
                Outcome::Fault {
                    kind: kind.name().to_owned(),
                },
                Some(reply.status),
            );
            let flag = (kind == FaultKind::ResetMidBody).then_some(reset);
            let body = SimBody::broken(&reply.body, flag);
            respond(reply, body)
        }
        None => {
            let outcome = match &reply.code {
                None => Outcome::Accepted,
                Some(code) => Outcome::Refused { code: code.clone() },
            };
            ticket.finish(outcome, Some(reply.status));
            whole(reply)
        }
    }
}

/// A request's entry in the log; says `Disconnected` there if the caller goes away meanwhile.
struct Ticket {
    shared: Arc<Shared>,
    seq: u64,
    instance: Option<String>,
    request_id: String,
    finished: bool,
}

impl Ticket {
    fn take(shared: Arc<Shared>, call: &Call) -> Self {
        let (seq, instance) = shared.act(|world| {
            let instance = call
                .at_instance
                .clone()
                .or_else(|| api::attribute(world, call));
            let (at_sim, at_real) = (world.now(), world.calendar.real(world.now()));
            let seq = world.log.push(|seq| RequestRecord {
                seq,
                at_sim,
                at_real,
                service: call.service,
                operation: call.operation.clone(),
                instance: instance.clone(),
                params: call.params.clone(),
                status: None,
                outcome: Outcome::InFlight,
                executed: false,
                request_id: ids::uuid(3, seq),
            });
            (seq, instance)
        });
        Self {
            shared,
            seq,
            instance,
            request_id: ids::uuid(3, seq),
            finished: false,
        }
    }

    fn execute(&self, call: &Call) -> Reply {
        self.shared.act(|world| {
            let reply = match &call.at_instance {
                Some(id) => metadata::handle(world, id, call),
                None => api::handle(world, call, &self.request_id),
            };
            let executed = reply.code.is_none();
            world
                .log
                .update(self.seq, |record| record.executed = executed);
            reply
        })
    }

    fn finish(&mut self, outcome: Outcome, status: Option<u16>) {
        self.finished = true;
        self.shared.act(|world| {
            world.log.update(self.seq, |record| {
                record.outcome = outcome;
                record.status = status;
            });
        });
    }

    fn broken(mut self, kind: &str, reset: &ResetFlag) -> Result<Response<SimBody>, BrokenOff> {
        self.finish(
            Outcome::Fault {
                kind: kind.to_owned(),
            },
            None,
        );
        reset.set();
        Err(BrokenOff)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.finished {
            self.finish(
                Outcome::Fault {
                    kind: "Disconnected".to_owned(),
                },
                None,
            );
        }
    }
}

fn whole(reply: Reply) -> Result<Response<SimBody>, BrokenOff> {
    let body = SimBody::whole(reply.body.clone());
    respond(reply, body)
}

fn respond(reply: Reply, body: SimBody) -> Result<Response<SimBody>, BrokenOff> {
    let mut response = Response::builder()
        .status(reply.status)
        .header("content-type", reply.content_type);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    if matches!(body, SimBody::Streamed(_)) && !reply.body.is_empty() {
        response = response.header("content-length", reply.body.len());
    }
    response.body(body).map_err(|_| BrokenOff)
}
