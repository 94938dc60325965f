//! `infra/setup.sh` as a user calls it, but for the compiling: a stand-in for cargo finds everything built.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Backend;
use crate::programs::{Built, Program, checkout};

/// A folder with the stand-in, and a target folder with the programs of this test run.
#[derive(Debug)]
pub struct Setup {
    folder: TempDir,
}

/// A local emulator in the background.
#[derive(Debug)]
pub struct Local<'a> {
    setup: &'a Setup,
    /// Its port.
    pub port: String,
}

impl Drop for Local<'_> {
    fn drop(&mut self) {
        // It may have been stopped before, which is no error.
        let stopped = self.setup.run(&format!("stop --port {}", self.port)).run();
        assert!(stopped.code == Some(0) || std::thread::panicking(), "{}", stopped.stderr);
    }
}

/// Building is done already; where the target folder is, the real one would say the same way.
const CARGO: &str = r#"#!/usr/bin/env bash
case $1 in
    build) exit 0 ;;
    lambda) exit 0 ;;
    metadata) printf '{"target_directory":"%s"}\n' "$CARGO_TARGET_DIR" ;;
    *) exit 1 ;;
esac
"#;

impl Default for Setup {
    fn default() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let release = folder.path().join("target/release");
        let function = folder.path().join("target/function");
        let lambda = folder.path().join("target/lambda/bootstrap");
        for made in [&folder.path().join("bin"), &folder.path().join("few"), &release, &function, &lambda] {
            std::fs::create_dir_all(made).expect("the folder is ours");
        }
        write_program(&folder.path().join("bin/cargo"), CARGO);
        let built = Built::once();
        for program in [&built.producer, &built.sender, &built.monitor, &built.xtask] {
            let name = program.file_name().expect("a program has a name");
            std::os::unix::fs::symlink(program, release.join(name)).expect("the folder is ours");
        }
        for folder in [function, lambda] {
            std::os::unix::fs::symlink(&built.bootstrap, folder.join("bootstrap"))
                .expect("the folder is ours");
        }
        Self { folder }
    }
}

impl Setup {
    /// The script, with its arguments as typed.
    pub fn run(&self, line: &str) -> Program {
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.folder.path().join("bin");
        Program::new(&checkout().join("infra/setup.sh"), line)
            .env("STENTOR_BACKEND", Backend::of_these_tests().name())
            .env("PATH", &format!("{}:{path}", bin.display()))
            .env("CARGO_TARGET_DIR", &self.folder.path().join("target").display().to_string())
    }

    /// `setup.sh local` with these options, on a free port; what it started is stopped when the test lets go of it.
    #[track_caller]
    pub fn local(&self, options: &str) -> Local<'_> {
        let started = self.run(&format!("local --port 0 {options}")).run().exits(0);
        let port =
            started.stdout.split("STENTOR_PORT=").nth(1).and_then(|rest| rest.split_whitespace().next());
        Local { setup: self, port: port.expect("it says how to use it").to_owned() }
    }

    /// Puts a script of the test's own where the script finds that command. In it `$STAND_IN` is a folder
    /// to write into, and `$EMULATOR` is `emulator.sh`.
    pub fn stand_in(&self, command: &str, script: &str) {
        let script = script
            .replace("$STAND_IN", &self.folder.path().display().to_string())
            .replace("$EMULATOR", &checkout().join("infra/local/emulator.sh").display().to_string());
        write_program(&self.folder.path().join("bin").join(command), &script);
    }

    /// What a stand-in has written into its folder, `$STAND_IN`.
    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).expect("the stand-in has written it")
    }

    /// A checkout's `infra/local/` elsewhere, with nothing installed.
    pub fn fresh_checkout(&self) -> PathBuf {
        let fresh = self.folder.path().join("fresh");
        let local = fresh.join("infra/local");
        std::fs::create_dir_all(&local).expect("the folder is ours");
        for file in std::fs::read_dir(checkout().join("infra/local")).expect("it is there").flatten() {
            if file.path().is_file() {
                std::fs::copy(file.path(), local.join(file.file_name())).expect("the folder is ours");
            }
        }
        fresh
    }

    /// A folder with nothing in it but links to some of this machine's commands, for use as PATH.
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

    /// Puts a script of the test's own among the commands of [`Self::path_with_only`].
    pub fn few(&self, command: &str, script: &str) {
        write_program(&self.folder.path().join("few").join(command), script);
    }
}

fn write_program(path: &Path, script: &str) {
    std::fs::write(path, script).expect("the folder is ours");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("the file is ours");
}
