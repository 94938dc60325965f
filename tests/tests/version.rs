//! The version with the commit, in checkouts of the test's own.

use std::path::Path;
use std::process::Command;

use stentor_tests::Program;
use stentor_tests::build::{ProgramPaths, checkout};

fn ended_well(program: &str, arguments: &[&str], folder: &Path) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(folder).output().expect("it starts");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[track_caller]
fn git(folder: &Path, arguments: &str) -> String {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"];
    let arguments: Vec<&str> = identity.into_iter().chain(arguments.split(' ')).collect();
    ended_well("git", &arguments, folder).unwrap_or_else(|| panic!("git {arguments:?} fails"))
}

/// A workspace with only the package that knows the version, and a program that prints it.
fn small_checkout(folder: &Path) {
    let package = folder.join("crates/version");
    std::fs::create_dir_all(package.join("src")).expect("the folder is ours");
    for file in ["Cargo.toml", "build.rs", "src/lib.rs"] {
        std::fs::copy(checkout().join("crates/version").join(file), package.join(file)).expect("it is there");
    }
    std::fs::write(
        package.join("src/main.rs"),
        "//! Prints it.\nfn main() { println!(\"{}\", stentor_cli::VERSION) }\n",
    )
    .expect("the folder is ours");
    let root = std::fs::read_to_string(checkout().join("Cargo.toml")).expect("it is there");
    let part = |title: &str| {
        let part = root.split("\n[").find(|part| part.starts_with(title)).expect("the workspace has it");
        format!("[{part}\n")
    };
    let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"crates/version\"]\n";
    let parts = [workspace.to_owned(), part("workspace.package]"), part("workspace.lints.rust]")].concat();
    std::fs::write(folder.join("Cargo.toml"), parts + "[workspace.lints.clippy]\n")
        .expect("the folder is ours");
    std::fs::write(folder.join(".gitignore"), "/target\n").expect("the folder is ours");
}

fn shown(folder: &Path) -> String {
    let target = folder.join("target").display().to_string();
    let arguments = ["run", "--quiet", "--offline", "--target-dir", &target];
    ended_well(env!("CARGO"), &arguments, folder).expect("it builds and runs")
}

/// Whether a build has nothing to do.
fn is_fresh(folder: &Path) -> bool {
    let target = folder.join("target").display().to_string();
    let arguments = ["build", "--offline", "--message-format=json", "--target-dir", &target];
    let told = ended_well(env!("CARGO"), &arguments, folder).expect("it builds");
    !told.contains("\"fresh\":false")
}

#[test]
fn the_programs_show_the_commit_they_were_built_from() {
    let built = ProgramPaths::get();
    for (program, name) in
        [(&built.producer, "producer"), (&built.sender, "sender"), (&built.monitor, "monitor")]
    {
        let shown = Program::new(program, "--version").run().exits(0).stdout;
        let number = format!("{name} {}", env!("CARGO_PKG_VERSION"));
        // The sources may also be no checkout of git, and have no commit then.
        let expected = match ended_well("git", &["rev-parse", "--short=12", "HEAD"], checkout()) {
            Some(commit) if checkout().join(".git").exists() => format!("{number} ({commit})\n"),
            _ => format!("{number}\n"),
        };
        assert_eq!(shown, expected);
    }
}

#[test]
fn the_version_follows_the_commit_and_builds_nothing_anew_without_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let number = env!("CARGO_PKG_VERSION");
    // Sources inside somebody else's repository are none of its commits.
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
    // The first commit brings the lock file too.
    assert_ne!(shown(folder.path()), number);
    let first = commit();
    assert_eq!(shown(folder.path()), at(&first));
    assert!(is_fresh(folder.path()));
    let second = commit();
    assert_eq!(shown(folder.path()), at(&second));
    // Packed, the branch has no file of its own until its next commit.
    git(folder.path(), "pack-refs --all");
    assert_eq!(shown(folder.path()), at(&second));
    assert!(is_fresh(folder.path()));
    let third = commit();
    assert_eq!(shown(folder.path()), at(&third));
    git(folder.path(), &format!("checkout --quiet --detach {first}"));
    assert_eq!(shown(folder.path()), at(&first));
    assert!(is_fresh(folder.path()));
}
