//! Standard output and error, either of which may be closed.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};

use crate::help::STYLES;
use crate::progress::above_progress;
use stentor_core::escape::escape_control_lines;

/// Lines held back while the live view is on the terminal; `None` while nothing is held back.
static HELD: Mutex<Option<String>> = Mutex::new(None);

/// Bytes held back, at most; more is dropped.
const MAX_HELD: usize = 64 * 1024;

/// Whether standard output can still be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputState {
    /// The line was written.
    Open,
    /// The reader of the pipe has closed it, which is no error.
    Closed,
}

/// Prints a status line on stderr, escaped. A closed stderr is no error.
pub fn status(text: &str) {
    write_lines(&escape_control_lines(text));
}

/// Whether output to `stream` is coloured: on a terminal that supports colour, unless `NO_COLOR` or `CLICOLOR=0` disable
/// it; and in a pipe where `CLICOLOR_FORCE=1` enables it. `NO_COLOR` overrides the others.
pub fn colour(stream: &impl RawStream) -> bool {
    !matches!(AutoStream::choice(stream), ColorChoice::Never)
}

/// Prints an error on stderr, escaped; `error:` and `tip:` at the start of a line are coloured where stderr is.
pub(crate) fn report_error(text: &str) {
    let text = escape_control_lines(text);
    let text = if colour(&io::stderr()) { coloured(&text) } else { text };
    write_lines(&text);
}

/// Colours the first word of each line as clap does.
fn coloured(text: &str) -> String {
    let styles = [("error:", STYLES.get_error()), ("tip:", STYLES.get_valid())];
    let colour_line = |line: &str| {
        let found = styles.iter().find_map(|(word, style)| Some((word, style, line.strip_prefix(word)?)));
        found.map_or_else(|| line.to_owned(), |(word, style, rest)| format!("{style}{word}{style:#}{rest}"))
    };
    text.lines().map(colour_line).collect::<Vec<_>>().join("\n")
}

fn write_lines(lines: &str) {
    let _ = StderrWriter.write_all(format!("{lines}\n").as_bytes());
}

/// Writer to standard error; each write is one whole record.
#[derive(Debug)]
pub(crate) struct StderrWriter;

impl Write for StderrWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match held().as_mut() {
            Some(held) if held.len() < MAX_HELD => held.push_str(&String::from_utf8_lossy(bytes)),
            Some(_) => {}
            None => above_progress(|| io::stderr().lock().write_all(bytes))?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Holds back standard error while it exists; writes what was held back when dropped.
#[derive(Debug)]
pub struct StderrHold(());

impl StderrHold {
    /// Holds back standard error from now on.
    pub fn begin() -> Self {
        held().get_or_insert_default();
        Self(())
    }
}

impl Drop for StderrHold {
    fn drop(&mut self) {
        let held_back = held().take().unwrap_or_default();
        let _ = io::stderr().write_all(held_back.as_bytes());
    }
}

fn held() -> std::sync::MutexGuard<'static, Option<String>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a line to standard output and flushes it.
///
/// # StderrWriter
/// Fails on a full disk, for example; a closed pipe is no error.
pub fn print_line(line: &str) -> io::Result<OutputState> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Ok(()) => Ok(OutputState::Open),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(OutputState::Closed),
        Err(error) => Err(io::Error::new(error.kind(), format!("cannot write to standard output: {error}"))),
    }
}
