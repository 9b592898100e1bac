//! The states of AWS's own state machines, under AWS's own names.
//!
//! The metadata's *target* state and the group's *current* state are two types on purpose.

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($(#[$vdoc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($(#[$vdoc])* $variant,)+ }

        impl $type {
            /// AWS's name of it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// By AWS's name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names! {
    /// What `meta-data/autoscaling/target-lifecycle-state` shows: where the instance is going.
    TargetLifecycleState {
        /// Going into, or in, service.
        InService = "InService",
        /// To be terminated.
        Terminated = "Terminated",
        /// To be detached from the group.
        Detached = "Detached",
        /// To be put on standby.
        Standby = "Standby",
        /// To be hibernated in the warm pool.
        WarmedHibernated = "Warmed:Hibernated",
        /// To run in the warm pool.
        WarmedRunning = "Warmed:Running",
        /// To be stopped in the warm pool.
        WarmedStopped = "Warmed:Stopped",
        /// To be terminated from the warm pool.
        WarmedTerminated = "Warmed:Terminated",
        /// No state of AWS's that anybody knows: what it shows while a root volume is replaced is documented nowhere.
        Unheard = "ReplacingRootVolume",
    }
}

names! {
    /// `LifecycleState` of `DescribeAutoScalingInstances`: where the instance is.
    LifecycleState {
        /// Launching.
        Pending = "Pending",
        /// Launching hooks are pending.
        PendingWait = "Pending:Wait",
        /// Launching hooks are done.
        PendingProceed = "Pending:Proceed",
        /// In service.
        InService = "InService",
        /// Load-balancer deregistration and the like.
        Terminating = "Terminating",
        /// Terminating hooks are pending.
        TerminatingWait = "Terminating:Wait",
        /// Terminating hooks are done.
        TerminatingProceed = "Terminating:Proceed",
        /// Abandoned, and kept for a person.
        TerminatingRetained = "Terminating:Retained",
        /// The root volume is to be replaced.
        ReplacingRootVolume = "ReplacingRootVolume",
        /// Terminating hooks are pending.
        ReplacingRootVolumeWait = "ReplacingRootVolume:Wait",
        /// Terminating hooks are done.
        ReplacingRootVolumeProceed = "ReplacingRootVolume:Proceed",
        /// It boots from the new one.
        RootVolumeReplaced = "RootVolumeReplaced",
        /// On its way to standby.
        EnteringStandby = "EnteringStandby",
        /// On standby.
        Standby = "Standby",
        /// On its way out of the group.
        Detaching = "Detaching",
        /// On its way into the warm pool.
        WarmedPending = "Warmed:Pending",
        /// Launched into the warm pool: launching hooks are pending.
        WarmedPendingWait = "Warmed:Pending:Wait",
        /// Launched into the warm pool: launching hooks are done.
        WarmedPendingProceed = "Warmed:Pending:Proceed",
        /// In the warm pool, hibernated.
        WarmedHibernated = "Warmed:Hibernated",
        /// In the warm pool, running.
        WarmedRunning = "Warmed:Running",
        /// In the warm pool, stopped.
        WarmedStopped = "Warmed:Stopped",
    }
}

impl LifecycleState {
    /// Any `…:Wait` state.
    pub fn is_wait(self) -> bool {
        matches!(
            self,
            Self::PendingWait
                | Self::WarmedPendingWait
                | Self::TerminatingWait
                | Self::ReplacingRootVolumeWait
        )
    }

    /// Any `Terminating…` state.
    pub fn is_terminating(self) -> bool {
        self.as_str().starts_with("Terminating")
    }
}

names! {
    /// `status` of a container instance.
    ContainerInstanceStatus {
        /// Not yet usable.
        Registering = "REGISTERING",
        /// Takes tasks.
        Active = "ACTIVE",
        /// Takes no new tasks; its service tasks are replaced elsewhere.
        Draining = "DRAINING",
        /// Gone.
        Inactive = "INACTIVE",
    }
}

names! {
    /// `LifecycleTransition` of a hook.
    HookTransition {
        /// On launch.
        Launching = "autoscaling:EC2_INSTANCE_LAUNCHING",
        /// On termination.
        Terminating = "autoscaling:EC2_INSTANCE_TERMINATING",
    }
}

names! {
    /// `LifecycleActionResult`, also a hook's `DefaultResult`.
    LifecycleActionResult {
        /// This hook is done.
        Continue = "CONTINUE",
        /// Done, and the remaining hooks are skipped.
        Abandon = "ABANDON",
    }
}

names! {
    /// `action` of a Spot interruption.
    SpotAction {
        /// The instance is terminated.
        Terminate = "terminate",
        /// The instance is stopped.
        Stop = "stop",
        /// The instance is hibernated.
        Hibernate = "hibernate",
    }
}
