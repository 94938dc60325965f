//! A headless browser with one open page.

mod chromium;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::build::checkout;
use crate::npm::{NodeProgram, NodeSource};
use crate::time_limit;

/// Set to 1 to leave out what needs a browser.
const NO_BROWSER: &str = "STENTOR_NO_BROWSER";

/// Maximum time until the browser has removed its files.
const LEAVE: Duration = Duration::from_secs(5);

/// A running browser. Dropping it ends the browser.
#[derive(Debug)]
pub struct Browser {
    process: Child,
    /// The driver exits when this is closed.
    commands: Option<ChildStdin>,
    answers: Receiver<String>,
}

/// The screen a page is shown on.
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
    /// Starts Chromium. Returns `None` if `STENTOR_NO_BROWSER=1` is set.
    ///
    /// # Panics
    /// If Chromium or Node.js cannot be installed: the message has the remedy.
    #[track_caller]
    pub fn start() -> Option<Self> {
        if std::env::var(NO_BROWSER).is_ok_and(|value| value == "1") {
            // Not by `eprintln`, which the test runner shows only for a test that fails.
            let _ = writeln!(std::io::stderr(), "left out, since {NO_BROWSER}=1: what needs a browser");
            return None;
        }
        let command = driver().unwrap_or_else(|error| {
            panic!("{error:#}, or set {NO_BROWSER}=1 to leave out the tests that need a browser")
        });
        Some(Self::start_with(command))
    }

    fn start_with(mut command: Command) -> Self {
        // A zone that no machine of the tests has, so that its times differ from those of the programs.
        let mut process = command
            .env("TZ", "Asia/Kolkata")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("node starts");
        let commands = process.stdin.take();
        let lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let (tell, answers) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { process, commands, answers }
    }

    /// Opens a page without any earlier state.
    #[track_caller]
    pub fn open(&mut self, url: &str, screen: Screen) {
        let scheme = if screen.dark { "dark" } else { "light" };
        self.ask(&json!({
            "command": "open", "url": url, "width": screen.width, "height": screen.height, "scheme": scheme,
        }));
    }

    /// Evaluates a JavaScript expression on the page.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        self.ask(&json!({"command": "evaluate", "expression": expression}))
    }

    /// Returns the text of the element with that ID.
    #[track_caller]
    pub fn text(&mut self, id: &str) -> String {
        let text = self.evaluate(&format!("document.getElementById('{id}').innerText"));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the text of the element with that ID satisfies the condition, and returns the text.
    #[track_caller]
    pub fn shows(&mut self, id: &str, is_so: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let text = self.text(id);
            if is_so(&text) {
                return text;
            }
            assert!(start.elapsed() < time_limit(), "#{id} contains {text:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns the accessibility violations that axe-core finds: `id, impact, help, at`.
    #[track_caller]
    pub fn audit(&mut self) -> Vec<Value> {
        let found = self.ask(&json!({"command": "audit"}));
        found.as_array().expect("a list").clone()
    }

    /// Returns console warnings and errors, uncaught exceptions, dialogs and requests to other hosts since the
    /// last call.
    #[track_caller]
    pub fn complaints(&mut self) -> Vec<String> {
        let complaints = self.ask(&json!({"command": "complaints"}));
        complaints
            .as_array()
            .expect("a list")
            .iter()
            .map(|complaint| complaint.as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Takes a screenshot of the visible part of the page.
    #[track_caller]
    pub fn screenshot(&mut self, path: &Path) {
        self.ask(&json!({"command": "screenshot", "path": path}));
    }

    #[track_caller]
    fn ask(&mut self, command: &Value) -> Value {
        let commands = self.commands.as_mut().expect("stdin is open until the browser is dropped");
        writeln!(commands, "{command}").expect("the browser's driver runs");
        let answer = self.answers.recv_timeout(time_limit());
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
        // Chromium exits with its driver, however that exits.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the program that controls the browser.
fn driver() -> anyhow::Result<Command> {
    let options = chromium::launch_options()?;
    let source =
        NodeSource { name: "browser", folder: &checkout().join("tests/browser"), program: "visitor.mjs" };
    let mut command = NodeProgram::install(source)?.command();
    command.arg(options.to_string());
    Ok(command)
}
