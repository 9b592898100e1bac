//! What was once observed with the real binary, and must not be seen again: a test for each of 21 faults, by its
//! number, and scenes beyond them in which two things happen at once.

mod adversary;
mod deadline;
mod known;
mod lapses;
mod placement;
mod pool;
mod scene;
