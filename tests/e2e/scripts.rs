//! Executables for the agent to run, which tell the test what they do, and wait for it where they shall.
//!
//! They speak by named pipes: a test awaits what they say.

use std::path::{Path, PathBuf};
use std::process::Command;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::unix::pipe;

use super::stage::PATIENCE;

/// A directory with `ready.d` and `hooks.d`.
pub struct Scripts {
    root: PathBuf,
    said: Lines<BufReader<pipe::Receiver>>,
    gate: pipe::Sender,
}

/// What one script said: its name, then its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub script: String,
    pub words: Vec<String>,
}

impl Said {
    /// The value of a variable, where it told its environment.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}=");
        let mut words = self.words.iter();
        words.find_map(|word| word.strip_prefix(&prefix))
    }
}

impl Scripts {
    /// Below `directory`.
    pub fn below(directory: &Path) -> Self {
        let root = directory.join("scripts");
        for folder in ["ready.d", "hooks.d/before-drain", "hooks.d/after-drain"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        for name in ["said", "gate"] {
            let made = Command::new("mkfifo").arg(root.join(name)).status();
            assert!(made.unwrap().success());
        }
        // Open for both: neither side ever sees the end.
        let mut open = pipe::OpenOptions::new();
        let open = open.read_write(true);
        let said = open.open_receiver(root.join("said")).unwrap();
        let gate = open.open_sender(root.join("gate")).unwrap();
        Self {
            root,
            said: BufReader::new(said).lines(),
            gate,
        }
    }

    /// Where a folder is: `ready.d`, `hooks.d`.
    pub fn path(&self, folder: &str) -> String {
        self.root.join(folder).display().to_string()
    }

    /// Adds an executable, in shell. It may call `say WORDS`, `tell` (say its environment) and `hold` (go
    /// on when the test says so).
    pub fn add(&self, folder: &str, name: &str, body: &str) {
        self.file(folder, name, body, "755");
    }

    /// Adds a file with these permissions.
    pub fn file(&self, folder: &str, name: &str, body: &str, mode: &str) {
        let root = self.root.display();
        // Blanks within a value become "_", so that a line can be split again.
        let text = format!(
            "#!/bin/sh\n\
             say() {{ echo \"{name} $*\" > {root}/said; }}\n\
             tell() {{ say $(env | grep '^ECS_LIFECYCLE_' | grep -v '^ECS_LIFECYCLE_AGENT_' | tr ' ' '_'); }}\n\
             hold() {{ read released < {root}/gate; }}\n\
             {body}\n"
        );
        let draft = self.root.join("draft");
        std::fs::write(&draft, text).unwrap();
        // Written by another process: no fork of this one can have it open when it is to be run.
        let installed = Command::new("install")
            .args(["-m", mode])
            .arg(&draft)
            .arg(self.root.join(folder).join(name))
            .status();
        assert!(installed.unwrap().success());
    }

    /// What is said next.
    pub async fn said(&mut self) -> Said {
        let line = tokio::time::timeout(PATIENCE, self.said.next_line()).await;
        let line = line.expect("a script says something").unwrap().unwrap();
        let mut words = line.split_whitespace().map(str::to_owned);
        let script = words.next().unwrap_or_default();
        Said {
            script,
            words: words.collect(),
        }
    }

    /// Nothing was said but what was asked for.
    pub async fn said_all(&mut self) {
        let more = tokio::time::timeout(std::time::Duration::ZERO, self.said.next_line()).await;
        assert!(more.is_err(), "{more:?}");
    }

    /// Lets one script that holds, or will, go on.
    pub async fn release(&mut self) {
        self.gate.write_all(b"on\n").await.unwrap();
    }
}
