//! Completions, man pages and the reference of Stentor's programs, generated from the definitions that parse their
//! command lines.

pub mod commands;
mod man;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Command, CommandFactory, ValueHint};
use clap_complete::{Shell, generate};

/// A file for the user's shell or for `man`.
#[derive(Debug)]
pub struct Document {
    /// Path below a prefix such as `/usr/local`.
    pub path: PathBuf,
    /// Content.
    pub text: Vec<u8>,
}

/// Returns the command lines of the three programs, built: subcommands have the global flags and their full names.
pub fn programs() -> [Command; 3] {
    [producer::Args::command(), sender::Args::command(), monitor::Args::command()].map(|mut program| {
        program.build();
        program
    })
}

/// Returns a program and each of its subcommands.
pub fn commands(program: &Command) -> impl Iterator<Item = &Command> {
    std::iter::once(program).chain(program.get_subcommands())
}

/// Returns the name under which a command has a man page, such as `monitor-report`.
pub fn page_name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// Returns all documents of a program: its completions, and a man page for it and for each subcommand.
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
    for command in commands(program) {
        let name = page_name(command);
        let page =
            man::page(program, command).with_context(|| format!("cannot make the man page of {name}"))?;
        documents.push(Document { path: format!("share/man/man1/{name}.1").into(), text: page });
    }
    Ok(documents)
}

fn completion(program: &Command, shell: Shell) -> Vec<u8> {
    let mut program = without_file_names(program.clone()).mut_subcommands(without_file_names);
    let name = program.get_name().to_owned();
    let mut text = Vec::new();
    generate(shell, &mut program, name, &mut text);
    text
}

/// Stops shells from offering file names for values that have no hint.
fn without_file_names(command: Command) -> Command {
    command.mut_args(|arg| {
        let unknown = arg.get_action().takes_values() && arg.get_value_hint() == ValueHint::Unknown;
        if unknown { arg.value_hint(ValueHint::Other) } else { arg }
    })
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
