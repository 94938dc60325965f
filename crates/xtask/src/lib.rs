//! Completions and man pages of Stentor's programs, made from the very definitions that the programs read their
//! command lines by.

mod man;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Command, CommandFactory, ValueHint};
use clap_complete::{Shell, generate};

/// A file for the user's shell or for `man`.
#[derive(Debug)]
pub struct Document {
    /// Where it belongs below a prefix such as `/usr/local`.
    pub path: PathBuf,
    /// What stands in it.
    pub text: Vec<u8>,
}

/// The command lines of the three programs.
pub fn programs() -> [Command; 3] {
    [producer::Args::command(), sender::Args::command(), monitor::Args::command()]
}

/// All of the documents of a program.
pub fn documents(program: &Command) -> anyhow::Result<Vec<Document>> {
    let name = program.get_name().to_owned();
    let completions = [
        (Shell::Bash, format!("share/bash-completion/completions/{name}")),
        (Shell::Zsh, format!("share/zsh/site-functions/_{name}")),
        (Shell::Fish, format!("share/fish/vendor_completions.d/{name}.fish")),
    ];
    let mut documents: Vec<Document> = completions
        .map(|(shell, path)| Document { path: path.into(), text: completion(program, shell) })
        .into();
    let page = man::page(program).with_context(|| format!("the man page of {name} cannot be made"))?;
    documents.push(Document { path: format!("share/man/man1/{name}.1").into(), text: page });
    Ok(documents)
}

fn completion(program: &Command, shell: Shell) -> Vec<u8> {
    // Where nothing is known of a value, a shell would offer the files of the folder.
    let mut program = program.clone().mut_args(|arg| {
        let unknown = arg.get_action().takes_values() && arg.get_value_hint() == ValueHint::Unknown;
        if unknown { arg.value_hint(ValueHint::Other) } else { arg }
    });
    let name = program.get_name().to_owned();
    let mut text = Vec::new();
    generate(shell, &mut program, name, &mut text);
    text
}

/// Writes all documents of all programs below a prefix.
pub fn write(prefix: &Path) -> anyhow::Result<()> {
    for program in programs() {
        for document in documents(&program)? {
            let path = prefix.join(&document.path);
            let folder = path.parent().unwrap_or(prefix);
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            std::fs::write(&path, &document.text)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}
