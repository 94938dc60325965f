//! The version with its commit, built in temporary checkouts.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use stentor_tests::Program;
use stentor_tests::build::{ProgramPaths, checkout};

fn ended_well(program: &str, arguments: &[&str], folder: &Path) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(folder).output().expect("it starts");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether this machine has git, which sources from an archive do not need.
fn has_git() -> bool {
    Command::new("git").arg("--version").output().is_ok()
}

#[track_caller]
fn git(folder: &Path, arguments: &str) -> String {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"];
    let arguments: Vec<&str> = identity.into_iter().chain(arguments.split(' ')).collect();
    ended_well("git", &arguments, folder).unwrap_or_else(|| panic!("git {arguments:?} fails"))
}

/// Writes a workspace with a program that prints the version. It uses the files of stentor-cli for that.
fn small_checkout(folder: &Path) {
    let package = folder.join("crates/cli");
    let write = |path: &str, text: &str| std::fs::write(folder.join(path), text).expect("the folder is ours");
    std::fs::create_dir_all(package.join("src")).expect("the folder is ours");
    for file in ["build.rs", "src/version.rs"] {
        std::fs::copy(checkout().join("crates/cli").join(file), package.join(file)).expect("it is there");
    }
    write("crates/cli/src/main.rs", "mod version;\nfn main() { println!(\"{}\", version::VERSION) }\n");
    let number = env!("CARGO_PKG_VERSION");
    write(
        "crates/cli/Cargo.toml",
        &format!("[package]\nname = \"stentor-cli\"\nversion = \"{number}\"\nedition = \"2024\"\n"),
    );
    write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"crates/cli\"]\n");
    write(".gitignore", "/target\n");
}

fn shown(folder: &Path) -> String {
    let target = folder.join("target").display().to_string();
    let arguments = ["run", "--quiet", "--offline", "--target-dir", &target];
    ended_well(env!("CARGO"), &arguments, folder).expect("it builds and runs")
}

/// Whether a build is up to date.
fn is_fresh(folder: &Path) -> bool {
    let target = folder.join("target").display().to_string();
    let arguments = ["build", "--offline", "--message-format=json", "--target-dir", &target];
    let output = ended_well(env!("CARGO"), &arguments, folder).expect("it builds");
    !output.contains("\"fresh\":false")
}

#[test]
fn the_programs_print_the_commit_they_were_built_from() {
    let built = ProgramPaths::get();
    for (program, name) in
        [(&built.producer, "producer"), (&built.sender, "sender"), (&built.monitor, "monitor")]
    {
        let shown = Program::new(program, "--version").run().exits(0).stdout;
        let number = format!("{name} {}", env!("CARGO_PKG_VERSION"));
        // Sources outside a git checkout have no commit, and a build without git has none.
        let is_commit_known = has_git() && checkout().join(".git").exists();
        let commit =
            is_commit_known.then(|| ended_well("git", &["rev-parse", "--short=12", "HEAD"], checkout()));
        let expected = match commit.flatten() {
            Some(commit) => format!("{number} ({commit})\n"),
            None => format!("{number}\n"),
        };
        assert_eq!(shown, expected);
    }
}

#[test]
fn the_version_follows_the_commit_and_avoids_needless_builds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let number = env!("CARGO_PKG_VERSION");
    if !has_git() {
        let _ =
            writeln!(std::io::stderr(), "git is missing: tested only that builds without it have no commit");
        std::fs::create_dir(folder.path().join(".git")).expect("the folder is ours");
        small_checkout(folder.path());
        assert_eq!(shown(folder.path()), number);
        return;
    }
    // Sources inside another repository do not get its commit.
    git(folder.path(), "init --quiet");
    git(folder.path(), "commit --quiet --allow-empty --message another's");
    let inner = folder.path().join("stentor");
    small_checkout(&inner);
    assert_eq!(shown(&inner), number);
    assert!(is_fresh(&inner));

    small_checkout(folder.path());
    std::fs::remove_dir_all(inner).expect("the folder is ours");
    let at = |commit: &str| format!("{number} ({commit})");
    let commit = || {
        git(folder.path(), "add --all");
        git(folder.path(), "commit --quiet --allow-empty --message next");
        git(folder.path(), "rev-parse --short=12 HEAD")
    };
    // The first commit includes the lock file.
    assert_ne!(shown(folder.path()), number);
    let first = commit();
    assert_eq!(shown(folder.path()), at(&first));
    assert!(is_fresh(folder.path()));
    let second = commit();
    assert_eq!(shown(folder.path()), at(&second));
    // A packed branch has no separate ref file until its next commit.
    git(folder.path(), "pack-refs --all");
    assert_eq!(shown(folder.path()), at(&second));
    assert!(is_fresh(folder.path()));
    let third = commit();
    assert_eq!(shown(folder.path()), at(&third));
    git(folder.path(), &format!("checkout --quiet --detach {first}"));
    assert_eq!(shown(folder.path()), at(&first));
    assert!(is_fresh(folder.path()));
}
