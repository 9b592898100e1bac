//! The values of keys that accept one of a few words.
//!
//! The words are part of the configuration's interface: add freely, rename never. Where AWS has a
//! word (`CONTINUE`, `ABANDON`, `SUCCESS`, `FAILURE`), it is AWS's, in AWS's spelling.

use std::fmt;

/// A set of words, each with its meaning as a type.
pub(super) trait Choice: Copy + PartialEq + 'static {
    /// Every value, in the order in which they are explained to people.
    const ALL: &'static [Self];

    /// The word as the configuration spells it.
    fn word(self) -> &'static str;
}

macro_rules! choices {
    ($(
        $(#[$about:meta])*
        $Choice:ident { $( $(#[$meaning:meta])* $Value:ident = $word:literal, )+ }
    )+) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $Choice { $( $(#[$meaning])* $Value, )+ }

        impl $Choice {
            /// The word as the configuration spells it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$Value => $word, )+ }
            }
        }

        impl Choice for $Choice {
            const ALL: &'static [Self] = &[ $( Self::$Value, )+ ];

            fn word(self) -> &'static str {
                self.as_str()
            }
        }

        impl fmt::Display for $Choice {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )+};
}

choices! {
    /// The `LifecycleActionResult` sent when a drain does not finish in time.
    ResultOnTimeout {
        /// Complete the lifecycle action with `CONTINUE`: it terminates after other hooks.
        Continue = "CONTINUE",
        /// Complete the lifecycle action with `ABANDON`: it terminates without waiting for them.
        Abandon = "ABANDON",
        /// Send no result: the hook's `HeartbeatTimeout` and `DefaultResult` decide.
        None = "NONE",
    }

    /// What a drain does about tasks that no service started (ECS leaves them running).
    StandaloneTasks {
        /// Wait until they have stopped by themselves.
        Wait = "wait",
        /// Stop them, after `standalone_stop_after`.
        Stop = "stop",
        /// Do not wait for them: they end with the instance.
        Ignore = "ignore",
    }

    /// What a drain does about tasks of services with the `DAEMON` strategy.
    DaemonTasks {
        /// Wait until ECS has stopped them.
        Wait = "wait",
        /// Do not wait for them: they end with the instance.
        Ignore = "ignore",
    }

    /// What the failure of an executable in `hooks.d` means.
    ExecutableFailure {
        /// It is reported, and nothing else.
        Ignore = "ignore",
        /// The drain has failed: what is sent when a drain times out is sent.
        Fail = "fail",
    }

    /// The status of the CloudFormation signal sent when a drain does not finish in time.
    SignalOnTimeout {
        /// Signal `SUCCESS`.
        Success = "SUCCESS",
        /// Signal `FAILURE`: the stack operation can fail and roll back.
        Failure = "FAILURE",
        /// Send no signal.
        None = "NONE",
    }

    /// The least severe messages that are logged.
    LogLevel {
        /// Only what needs a person.
        Error = "error",
        /// Also what may need a person if it goes on.
        Warn = "warn",
        /// Also each step of a drain.
        Info = "info",
        /// Also each decision and its reason.
        Debug = "debug",
        /// Also each request and answer.
        Trace = "trace",
    }

    /// Where messages are logged.
    LogTarget {
        /// The journal when started by systemd, else the terminal.
        Auto = "auto",
        /// systemd's journal, with structured fields.
        Journal = "journal",
        /// Standard error, as text.
        Terminal = "terminal",
    }
}

/// What the values mean, once for all: whoever adds one is led here by the compiler.
impl StandaloneTasks {
    /// Whether the agent stops such tasks, for which the role has to allow `ecs:StopTask`.
    #[must_use]
    pub fn are_stopped(self) -> bool {
        match self {
            Self::Stop => true,
            Self::Wait | Self::Ignore => false,
        }
    }

    /// Whether a drain ends without them.
    #[must_use]
    pub fn are_ignored(self) -> bool {
        match self {
            Self::Ignore => true,
            Self::Wait | Self::Stop => false,
        }
    }
}
