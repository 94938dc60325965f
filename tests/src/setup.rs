//! `infra/setup.sh` as a user calls it, but for the compiling: a stand-in for cargo finds everything built.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use crate::Backend;
use crate::programs::{Built, Program, checkout};

/// A folder with the stand-in, and a target folder with the programs of this test run.
#[derive(Debug)]
pub struct Setup {
    folder: TempDir,
}

/// Building is done already; where the target folder is, the real one would say the same way.
const CARGO: &str = r#"#!/usr/bin/env bash
case $1 in
    build) exit 0 ;;
    metadata) printf '{"target_directory":"%s"}\n' "$CARGO_TARGET_DIR" ;;
    *) exit 1 ;;
esac
"#;

impl Default for Setup {
    fn default() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let stand_in = folder.path().join("bin/cargo");
        let release = folder.path().join("target/release");
        for made in [stand_in.parent().expect("it has one"), &release] {
            std::fs::create_dir_all(made).expect("the folder is ours");
        }
        std::fs::write(&stand_in, CARGO).expect("the folder is ours");
        std::fs::set_permissions(&stand_in, std::fs::Permissions::from_mode(0o755))
            .expect("the file is ours");
        let built = Built::once();
        for program in [&built.producer, &built.sender, &built.monitor, &built.bootstrap] {
            let name = program.file_name().expect("a program has a name");
            std::os::unix::fs::symlink(program, release.join(name)).expect("the folder is ours");
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

    /// A folder with nothing in it but links to some of this machine's commands, for use as PATH.
    pub fn path_with_only(&self, commands: &[&str]) -> String {
        let folder = self.folder.path().join("few");
        std::fs::create_dir_all(&folder).expect("the folder is ours");
        let path = std::env::var("PATH").unwrap_or_default();
        for command in commands {
            let found =
                path.split(':').map(|folder| Path::new(folder).join(command)).find(|file| file.exists());
            let found = found.unwrap_or_else(|| panic!("{command} is on PATH"));
            let _ = std::os::unix::fs::symlink(found, folder.join(command));
        }
        folder.display().to_string()
    }
}
