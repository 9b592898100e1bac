//! CloudFormation stacks with resources that may wait for signals.

/// A stack.
#[derive(Clone, Debug)]
#[must_use]
pub struct StackSpec {
    /// Its name.
    pub name: String,
    /// Its resources.
    pub resources: Vec<ResourceSpec>,
}

/// A resource of a stack.
#[derive(Clone, Debug)]
pub struct ResourceSpec {
    /// `LogicalResourceId`.
    pub logical_id: String,
    /// Whether the stack operation waits for its signals now.
    pub waiting: bool,
    /// How many `SUCCESS` signals end the wait; `None`: it waits until told otherwise.
    pub required: Option<usize>,
}

impl StackSpec {
    /// A stack without resources.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            resources: Vec::new(),
        }
    }

    /// Adds a resource that waits for signals until [`set_waiting`](crate::Simulator::set_waiting)
    /// says otherwise.
    pub fn waiting(mut self, logical_id: &str) -> Self {
        self.resources.push(ResourceSpec {
            logical_id: logical_id.to_owned(),
            waiting: true,
            required: None,
        });
        self
    }

    /// Adds a resource that waits for this many `SUCCESS` signals.
    pub fn waiting_for(mut self, logical_id: &str, signals: usize) -> Self {
        let required = Some(signals);
        self.resources.push(ResourceSpec {
            logical_id: logical_id.to_owned(),
            waiting: true,
            required,
        });
        self
    }

    /// Adds a resource that waits for nothing.
    pub fn idle(mut self, logical_id: &str) -> Self {
        self.resources.push(ResourceSpec {
            logical_id: logical_id.to_owned(),
            waiting: false,
            required: None,
        });
        self
    }
}
