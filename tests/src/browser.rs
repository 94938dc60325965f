//! A real browser without a window, and a page open in it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::build::checkout;
use crate::{PATIENCE, npm};

/// The program that drives the browser.
const VISITOR: &str = "visitor.mjs";

/// The names that Chromium goes by, most of all in Debian and Ubuntu.
const CHROMIUM: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// How long a browser may take to clear away what it has written.
const LEAVE: Duration = Duration::from_secs(5);

/// A browser at work, until it is dropped.
#[derive(Debug)]
pub struct Browser {
    process: Child,
    /// Its driver ends with them.
    commands: Option<ChildStdin>,
    answers: Receiver<String>,
}

/// What a page is looked at on.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// In CSS pixels.
    pub width: u32,
    /// In CSS pixels.
    pub height: u32,
    /// The user prefers dark colours.
    pub dark: bool,
}

impl Browser {
    /// Starts Chromium; `None` where `STENTOR_NO_BROWSER=1` says to leave it out.
    ///
    /// # Panics
    /// Where there is no Chromium or no Node.js: the message says what to install.
    #[track_caller]
    pub fn start() -> Option<Self> {
        if std::env::var("STENTOR_NO_BROWSER").is_ok_and(|value| value == "1") {
            eprintln!("left out: STENTOR_NO_BROWSER=1");
            return None;
        }
        let advice = "or set STENTOR_NO_BROWSER=1 to leave the tests of the page in a browser out";
        let chromium = find(&CHROMIUM).unwrap_or_else(|| {
            panic!("Chromium is missing: install it (Debian: apt-get install chromium), {advice}")
        });
        let folder = npm::install(&checkout().join("tests/browser"), "browser", VISITOR)
            .unwrap_or_else(|error| panic!("{error:#}, {advice}"));
        let mut command = Command::new("node");
        command.arg(folder.join(VISITOR)).arg(chromium);
        if is_root() {
            // Chromium does not set its sandbox up for root.
            command.arg("--no-sandbox");
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("node starts");
        let commands = process.stdin.take();
        let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let (tell, answers) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Some(Self { process, commands, answers })
    }

    /// Opens a page, as a user does who comes for the first time.
    #[track_caller]
    pub fn open(&mut self, url: &str, screen: Screen) {
        let scheme = if screen.dark { "dark" } else { "light" };
        self.ask(&json!({
            "command": "open", "url": url, "width": screen.width, "height": screen.height, "scheme": scheme,
        }));
    }

    /// The value of a JavaScript expression on the page.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        self.ask(&json!({"command": "evaluate", "expression": expression}))
    }

    /// The text of the element of that id.
    #[track_caller]
    pub fn text(&mut self, id: &str) -> String {
        let text = self.evaluate(&format!("document.getElementById('{id}').innerText"));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the element of that id says something that is so; returns it.
    #[track_caller]
    pub fn shows(&mut self, id: &str, is_so: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let text = self.text(id);
            if is_so(&text) {
                return text;
            }
            assert!(start.elapsed() < PATIENCE, "#{id} says {text:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What hinders people from using the page, as axe-core finds it: `id, impact, help, at`.
    #[track_caller]
    pub fn audit(&mut self) -> Vec<Value> {
        let found = self.ask(&json!({"command": "audit"}));
        found.as_array().expect("a list").clone()
    }

    /// What the page has complained of on the console, errors that nothing caught, dialogs, and requests to elsewhere, since
    /// the last time.
    #[track_caller]
    pub fn complaints(&mut self) -> Vec<String> {
        let told = self.ask(&json!({"command": "complaints"}));
        told.as_array()
            .expect("a list")
            .iter()
            .map(|told| told.as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Takes a picture of what is on the screen.
    #[track_caller]
    pub fn screenshot(&mut self, path: &Path) {
        self.ask(&json!({"command": "screenshot", "path": path}));
    }

    #[track_caller]
    fn ask(&mut self, command: &Value) -> Value {
        let commands = self.commands.as_mut().expect("they are there until the end");
        writeln!(commands, "{command}").expect("the browser's driver is there");
        let answer = self.answers.recv_timeout(PATIENCE);
        let answer = answer.unwrap_or_else(|_| panic!("the browser does not answer {command}"));
        let mut answer: Value = serde_json::from_str(&answer).expect("it answers in JSON");
        assert!(answer["error"].is_null(), "{command}: {}", answer["error"]);
        answer["answer"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.commands.take());
        let start = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) && start.elapsed() < LEAVE {
            std::thread::sleep(Duration::from_millis(20));
        }
        // Chromium ends with its driver, however that ends.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn find(names: &[&str]) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths::<OsStr>(&folders).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}
