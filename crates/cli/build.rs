//! Adds the commit to the version. Where git fails, the version has none.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Digits of the commit; git adds more where they are ambiguous.
const SHORT: &str = "--short=12";

fn main() {
    let version = env!("CARGO_PKG_VERSION");
    // Without this line, cargo would watch every file of the package.
    println!("cargo::rerun-if-changed=build.rs");
    let (shown, date) = match commit() {
        Some((commit, date)) => (format!("{version} ({commit})"), date),
        None => (version.to_owned(), String::new()),
    };
    println!("cargo::rustc-env=STENTOR_VERSION={shown}");
    println!("cargo::rustc-env=STENTOR_DATE={date}");
}

/// Returns the commit and its date.
fn commit() -> Option<(String, String)> {
    // Sources unpacked inside another repository are not at its commit.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let repository = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    if repository.canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    watch();
    Some((git(&["rev-parse", SHORT, "HEAD"])?, git(&["show", "--no-patch", "--format=%cs", "HEAD"])?))
}

/// Makes cargo run this script again when HEAD or its branch moves. Cargo treats a missing file as changed, so only
/// existing files are listed: a packed branch has no file until its next commit.
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

/// Returns the path of a file of git; in a worktree, HEAD and branches are in different folders.
fn git_path(name: &str) -> Option<PathBuf> {
    git(&["rev-parse", "--path-format=absolute", "--git-path", name]).map(PathBuf::from)
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // The build may run in a hook of another repository.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
