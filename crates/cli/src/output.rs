//! Standard output and error, which somebody may close.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};

use crate::help::STYLES;
use crate::progress::aside;
use stentor_core::escape::escape_control_lines;

/// What was said while a picture stands on the terminal, which lines on stderr would spoil.
static HELD: Mutex<Option<String>> = Mutex::new(None);

/// The most that is held, bytes.
const MOST_HELD: usize = 64 * 1024;

/// Whether there is anybody to write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputState {
    /// The line went out.
    Open,
    /// The pipe's reader has gone, which is no error.
    Closed,
}

/// Says something beside the results, on stderr; nobody listening there is no error either. What an error quotes
/// from anywhere is made escape_control here at the latest.
pub fn status(text: &str) {
    tell(&escape_control_lines(text));
}

/// Whether what goes there shall have colour: a terminal that can show it, unless `NO_COLOR` or `CLICOLOR=0` status no or
/// `CLICOLOR_FORCE=1` says that a pipe shall have it too. `NO_COLOR` goes before the others.
pub fn colour(stream: &impl RawStream) -> bool {
    !matches!(AutoStream::choice(stream), ColorChoice::Never)
}

/// Says what went wrong, in colour where stderr has it: lines that begin with `error:` or `tip:`.
pub(crate) fn report_error(text: &str) {
    let text = escape_control_lines(text);
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
    let _ = StderrWriter.write_all(format!("{lines}\n").as_bytes());
}

/// Standard error, for all that is said beside the results; one write is one record.
#[derive(Debug)]
pub(crate) struct StderrWriter;

impl Write for StderrWriter {
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
pub struct StderrHold(());

impl StderrHold {
    /// Holds back what is said from now on.
    pub fn begin() -> Self {
        held().get_or_insert_default();
        Self(())
    }
}

impl Drop for StderrHold {
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
/// # StderrWriter
/// A disk that is full, and the like; a reader that has gone is none.
pub fn print_line(line: &str) -> io::Result<OutputState> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Ok(()) => Ok(OutputState::Open),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(OutputState::Closed),
        Err(error) => {
            Err(io::Error::new(error.kind(), format!("standard output cannot be written: {error}")))
        }
    }
}
