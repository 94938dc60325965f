//! Asks git for the commit. Whatever goes wrong there, the version stands without one.

use std::path::{Path, PathBuf};
use std::process::Command;

/// How much of a commit's name is shown; git takes more where that would fit several.
const SHORT: &str = "--short=12";

fn main() {
    let version = env!("CARGO_PKG_VERSION");
    // Without any such line cargo would look at every file of the package.
    println!("cargo::rerun-if-changed=build.rs");
    let (shown, date) = match commit() {
        Some((commit, date)) => (format!("{version} ({commit})"), date),
        None => (version.to_owned(), String::new()),
    };
    println!("cargo::rustc-env=STENTOR_VERSION={shown}");
    println!("cargo::rustc-env=STENTOR_DATE={date}");
}

/// The name of the commit and its day.
fn commit() -> Option<(String, String)> {
    // Sources unpacked inside somebody else's repository are not at that one's commit.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let repository = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    if repository.canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    watch();
    Some((git(&["rev-parse", SHORT, "HEAD"])?, git(&["show", "--no-patch", "--format=%cs", "HEAD"])?))
}

/// Has cargo run this again when HEAD, or what it names, moves. A file that is not there is always newer to cargo,
/// so only those that are there are named: a branch that git has packed has no file until its next commit.
fn watch() {
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    let loose = branch.as_deref().and_then(git_path).filter(|path| path.exists());
    let packed =
        if loose.is_none() && branch.is_some() { ["packed-refs", "refs/heads"].as_slice() } else { &[] };
    let packed = packed.iter().filter_map(|name| git_path(name));
    for path in git_path("HEAD").into_iter().chain(loose).chain(packed).filter(|path| path.exists()) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

/// Where git keeps that: in a worktree HEAD and branches lie apart.
fn git_path(name: &str) -> Option<PathBuf> {
    git(&["rev-parse", "--path-format=absolute", "--git-path", name]).map(PathBuf::from)
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // A hook of another repository may be what builds this.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
