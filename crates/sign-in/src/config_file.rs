//! The lines of an AWS configuration file that an error names. Values are read by the SDK's parser, not here.

use std::fmt;

use aws_types::os_shim_internal::{Env, Fs};

/// One of the two files, as text; empty where it cannot be read.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    pub(crate) path: String,
    /// The file `config`, whose sections have other names than those of `credentials`.
    pub(crate) is_config: bool,
    text: String,
}

/// A line of a file, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    file: String,
    number: usize,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}", self.file, self.number)
    }
}

impl ConfigFile {
    /// Reads `config` and `credentials` from where the SDK reads them.
    pub(crate) async fn both(fs: &Fs, env: &Env) -> [Self; 2] {
        [
            Self::read(fs, env, "AWS_CONFIG_FILE", "~/.aws/config", true).await,
            Self::read(fs, env, "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", false).await,
        ]
    }

    async fn read(fs: &Fs, env: &Env, variable: &str, default: &str, is_config: bool) -> Self {
        let path = env.get(variable).unwrap_or_else(|_| default.to_owned());
        let path = match (path.strip_prefix("~/"), env.get("HOME")) {
            (Some(below), Ok(home)) => format!("{home}/{below}"),
            _ => path,
        };
        let bytes = fs.read_to_end(&path).await.unwrap_or_default();
        Self { path, is_config, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    /// Returns the names that the section of a profile may have in this file.
    pub(crate) fn section_names(&self, profile: &str) -> Vec<String> {
        match (self.is_config, profile) {
            (true, "default") => vec!["default".to_owned(), "profile default".to_owned()],
            (true, _) => vec![format!("profile {profile}")],
            (false, _) => vec![profile.to_owned()],
        }
    }

    /// Returns the line with this name of a section.
    pub(crate) fn section(&self, name: &str) -> Option<Line> {
        let mut lines = self.text.lines().zip(1..);
        let found = lines.find(|(line, _)| header(line).as_deref() == Some(name));
        found.map(|(_, number)| self.at(number))
    }

    /// Returns the line of a key of a profile; with an empty key that of its section.
    pub(crate) fn line(&self, profile: &str, key: &str) -> Option<Line> {
        let mut lines = self.lines_of(profile);
        let found = lines.find(|(line, _)| match line.split_once('=') {
            _ if key.is_empty() => header(line).is_some(),
            Some((name, _)) => name.trim_end().eq_ignore_ascii_case(key),
            None => false,
        });
        found.map(|(_, number)| self.at(number))
    }

    /// Finds a key or a comment of a profile that is indented below a key with a value, and so continues that value
    /// instead. Returns the key above it.
    pub(crate) fn indented(&self, profile: &str) -> Option<(String, Line)> {
        let mut above = None;
        for (line, number) in self.lines_of(profile) {
            let text = line.trim();
            if text.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if !line.starts_with([' ', '\t']) {
                above =
                    line.split_once('=').filter(|(_, value)| !value.trim().is_empty()).map(|(key, _)| key);
            } else if let Some(key) = above
                && (text.contains('=') || text.starts_with(['#', ';']))
            {
                return Some((key.trim().to_ascii_lowercase(), self.at(number)));
            }
        }
        None
    }

    /// The lines of a profile with their numbers, beginning with that of its section.
    fn lines_of(&self, profile: &str) -> impl Iterator<Item = (&str, usize)> {
        let names = self.section_names(profile);
        let mut is_inside = false;
        self.text.lines().zip(1..).filter(move |(line, _)| {
            if let Some(name) = header(line) {
                is_inside = names.contains(&name);
            }
            is_inside
        })
    }

    fn at(&self, number: usize) -> Line {
        Line { file: self.path.clone(), number }
    }
}

/// Returns the words between the brackets of a section, separated by one blank.
fn header(line: &str) -> Option<String> {
    let (name, _) = line.strip_prefix('[')?.split_once(']')?;
    Some(name.split_whitespace().collect::<Vec<_>>().join(" "))
}
