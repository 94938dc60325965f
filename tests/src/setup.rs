//! Runs `infra/setup.sh` as a user does, but without compiling: a stub of cargo returns the built programs.

mod cli_server;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::build::{ProgramPaths, checkout};
use crate::{Backend, Program};

/// A folder with the stub, and a target folder with the programs of this test run.
#[derive(Debug)]
pub struct Setup {
    folder: TempDir,
}

/// A local emulator in the background.
#[derive(Debug)]
pub struct Local<'a> {
    setup: &'a Setup,
    /// Port of its endpoint.
    pub port: String,
}

impl Drop for Local<'_> {
    fn drop(&mut self) {
        // It may have been stopped already, which is not an error.
        let stopped = self.setup.run(&format!("stop --port {}", self.port)).run();
        assert!(stopped.code == Some(0) || std::thread::panicking(), "{}", stopped.stderr);
    }
}

/// The stub of cargo. Builds succeed at once and are noted, and `metadata` prints the target folder as cargo does.
const CARGO: &str = r#"#!/usr/bin/env bash
case $1 in
    --version) echo 'cargo 99.0.0' ;;
    build | lambda) printf '%s\n' "$*" >>"$CARGO_TARGET_DIR/builds" ;;
    metadata) printf '{"target_directory":"%s"}\n' "$CARGO_TARGET_DIR" ;;
    *) exit 1 ;;
esac
"#;

impl Default for Setup {
    fn default() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let debug = folder.path().join("target/debug");
        let release = folder.path().join("target/release");
        let function = folder.path().join("target/function");
        let lambda = folder.path().join("target/lambda/bootstrap");
        for made in
            [&folder.path().join("bin"), &folder.path().join("few"), &debug, &release, &function, &lambda]
        {
            std::fs::create_dir_all(made).expect("the folder is ours");
        }
        write_program(&folder.path().join("bin/cargo"), CARGO);
        let built = ProgramPaths::get();
        for program in [&built.producer, &built.sender, &built.monitor, &built.xtask] {
            let name = program.file_name().expect("a program has a name");
            for folder in [&debug, &release] {
                std::os::unix::fs::symlink(program, folder.join(name)).expect("the folder is ours");
            }
        }
        for folder in [debug, function, lambda] {
            std::os::unix::fs::symlink(&built.bootstrap, folder.join("bootstrap"))
                .expect("the folder is ours");
        }
        Self { folder }
    }
}

impl Setup {
    /// Returns the script with these arguments, separated by blanks.
    pub fn run(&self, line: &str) -> Program {
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.folder.path().join("bin");
        let mut program = Program::new(&checkout().join("infra/setup.sh"), line)
            .env("STENTOR_BACKEND", Backend::of_these_tests().name())
            .env("PATH", &format!("{}:{path}", bin.display()))
            .env("CARGO_TARGET_DIR", &self.folder.path().join("target").display().to_string());
        for (name, value) in cli_server::environment() {
            program = program.env(name, &value);
        }
        program
    }

    /// Removes the release builds of the programs and the function.
    pub fn without_release_builds(&self) {
        for folder in ["release", "function"] {
            std::fs::remove_dir_all(self.folder.path().join("target").join(folder))
                .expect("the folder is ours");
        }
    }

    /// Returns the builds that were run, a line of arguments each.
    pub fn builds(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("target/builds")).unwrap_or_default()
    }

    /// Runs `setup.sh local` with these options on a free port. Dropping the result stops the emulator.
    #[track_caller]
    pub fn local(&self, options: &str) -> Local<'_> {
        let started = self.run(&format!("local --port 0 {options}")).run().exits(0);
        let port =
            started.stdout.split("STENTOR_PORT=").nth(1).and_then(|rest| rest.split_whitespace().next());
        Local { setup: self, port: port.expect("it prints the port").to_owned() }
    }

    /// Replaces a command by a script. In it `$STAND_IN` is a folder for its output, and `$EMULATOR` is
    /// `emulator.sh`.
    pub fn stand_in(&self, command: &str, script: &str) {
        let script = script
            .replace("$STAND_IN", &self.folder.path().display().to_string())
            .replace("$EMULATOR", &checkout().join("infra/local/emulator.sh").display().to_string());
        write_program(&self.folder.path().join("bin").join(command), &script);
    }

    /// Writes a file for a stub into `$STAND_IN`.
    pub fn write(&self, name: &str, content: &str) {
        std::fs::write(self.folder.path().join(name), content).expect("the folder is ours");
    }

    /// Replaces the function for Lambda by a few bytes, where it is packed but never run.
    pub fn with_small_function(&self) {
        let bootstrap = self.folder.path().join("target/lambda/bootstrap/bootstrap");
        std::fs::remove_file(&bootstrap).expect("the folder is ours");
        std::fs::write(bootstrap, "a function").expect("the folder is ours");
    }

    /// Reads a file that a stub may have written into `$STAND_IN`; empty where it has not.
    pub fn read_if_present(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// Reads a file that a stub has written into `$STAND_IN`.
    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).expect("the stub has written it")
    }

    /// Copies `infra/local/` into a new checkout in which nothing is installed, with an unusual path.
    pub fn fresh_checkout(&self) -> PathBuf {
        let fresh = self.folder.path().join("a päth (1) & [co]").join("x".repeat(127));
        let local = fresh.join("infra/local");
        std::fs::create_dir_all(&local).expect("the folder is ours");
        for file in std::fs::read_dir(checkout().join("infra/local")).expect("it is there").flatten() {
            if file.path().is_file() {
                std::fs::copy(file.path(), local.join(file.file_name())).expect("the folder is ours");
            }
        }
        fresh
    }

    /// Creates a folder with links to only these commands of this machine, for use as PATH.
    pub fn path_with_only(&self, commands: &[&str]) -> String {
        let folder = self.folder.path().join("few");
        let path = std::env::var("PATH").unwrap_or_default();
        for command in commands {
            let found =
                path.split(':').map(|folder| Path::new(folder).join(command)).find(|file| file.exists());
            let found = found.unwrap_or_else(|| panic!("{command} is on PATH"));
            let _ = std::os::unix::fs::symlink(found, folder.join(command));
        }
        folder.display().to_string()
    }

    /// Replaces npm in a checkout of [`Self::fresh_checkout`].
    pub fn npm(&self, checkout: &Path, script: &str) {
        write_program(&checkout.join("infra/local/node.sh"), script);
    }

    /// Adds a script to the commands of [`Self::path_with_only`].
    pub fn few(&self, command: &str, script: &str) {
        write_program(&self.folder.path().join("few").join(command), script);
    }
}

fn write_program(path: &Path, script: &str) {
    std::fs::write(path, script).expect("the folder is ours");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("the file is ours");
}
