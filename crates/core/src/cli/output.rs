//! Standard output and error, which somebody may close.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};

use super::help::STYLES;
use super::live::aside;
use crate::show::printable_lines;

/// What was said while a picture stands on the terminal, which lines on stderr would spoil.
static HELD: Mutex<Option<String>> = Mutex::new(None);

/// The most that is held, bytes.
const MOST_HELD: usize = 64 * 1024;

/// Whether there is anybody to write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// The line went out.
    There,
    /// The pipe's reader has gone, which is no error.
    Gone,
}

/// Says something beside the results, on stderr; nobody listening there is no error either. What an error quotes
/// from anywhere is made printable here at the latest.
pub fn say(text: &str) {
    tell(&printable_lines(text));
}

/// Whether what goes there shall have colour: a terminal that can show it, unless `NO_COLOR` or `CLICOLOR=0` say no or
/// `CLICOLOR_FORCE=1` says that a pipe shall have it too. `NO_COLOR` goes before the others.
pub fn colour(stream: &impl RawStream) -> bool {
    !matches!(AutoStream::choice(stream), ColorChoice::Never)
}

/// Says what went wrong, in colour where stderr has it: lines that begin with `error:` or `tip:`.
pub(super) fn complain(text: &str) {
    let text = printable_lines(text);
    let told = if colour(&io::stderr()) { painted(&text) } else { text };
    tell(&told);
}

/// The words that begin the lines, as clap paints them.
fn painted(text: &str) -> String {
    let styles = [("error:", STYLES.get_error()), ("tip:", STYLES.get_valid())];
    let paint = |line: &str| {
        let found = styles.iter().find_map(|(word, style)| Some((word, style, line.strip_prefix(word)?)));
        found.map_or_else(|| line.to_owned(), |(word, style, rest)| format!("{style}{word}{style:#}{rest}"))
    };
    text.lines().map(paint).collect::<Vec<_>>().join("\n")
}

fn tell(lines: &str) {
    let _ = Errors.write_all(format!("{lines}\n").as_bytes());
}

/// Standard error, for all that is said beside the results; one write is one record.
#[derive(Debug)]
pub(super) struct Errors;

impl Write for Errors {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match held().as_mut() {
            Some(held) if held.len() < MOST_HELD => held.push_str(&String::from_utf8_lossy(bytes)),
            Some(_) => {}
            None => aside(|| io::stderr().lock().write_all(bytes))?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// While it is there, nothing goes to standard error; what was said comes out when it goes.
#[derive(Debug)]
pub struct Silence(());

impl Silence {
    /// Holds back what is said from now on.
    pub fn begin() -> Self {
        held().get_or_insert_default();
        Self(())
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let said = held().take().unwrap_or_default();
        let _ = io::stderr().write_all(said.as_bytes());
    }
}

fn held() -> std::sync::MutexGuard<'static, Option<String>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a line to standard output, at once.
///
/// # Errors
/// A disk that is full, and the like; a reader that has gone is none.
pub fn print_line(line: &str) -> io::Result<Listener> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Listener::There),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Listener::Gone),
        Err(error) => {
            Err(io::Error::new(error.kind(), format!("standard output cannot be written: {error}")))
        }
    }
}
