//! The requests in flight. A request stays here even if its answer is not needed any more: answers are never
//! dropped, because the ticket says what was asked, and when.

use crate::model::{Action, Moment, Ticket};

/// One request under way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Flight {
    /// What its answer carries.
    pub ticket: Ticket,
    /// What was asked.
    pub action: Action,
    /// When.
    pub sent: Moment,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ledger {
    last: u32,
    flights: Vec<Flight>,
}

impl Ledger {
    /// Books a request that leaves now.
    pub(crate) fn book(&mut self, action: Action, now: Moment) -> Ticket {
        self.last = self.last.wrapping_add(1);
        let ticket = Ticket(self.last);
        self.flights.push(Flight {
            ticket,
            action,
            sent: now,
        });
        ticket
    }

    /// The request that an answer belongs to, which is not under way any more.
    pub(crate) fn land(&mut self, ticket: Ticket) -> Option<Flight> {
        let at = self
            .flights
            .iter()
            .position(|flight| flight.ticket == ticket)?;
        Some(self.flights.swap_remove(at))
    }

    /// The first under way that `which` is true of.
    pub(crate) fn find(&self, which: impl Fn(&Action) -> bool) -> Option<&Flight> {
        self.flights.iter().find(|flight| which(&flight.action))
    }

    /// How many are under way that `which` is true of.
    pub(crate) fn count(&self, which: impl Fn(&Action) -> bool) -> usize {
        self.flights
            .iter()
            .filter(|flight| which(&flight.action))
            .count()
    }
}
