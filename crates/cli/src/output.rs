//! Standard output and error; a closed pipe is not an error.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::sync::{Mutex, PoisonError};

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use rustix::io::Errno;

use crate::help::STYLES;
use crate::progress::aside;
use stentor_core::escape::escape_control_lines;

/// What the live view holds while it owns the terminal.
static HELD: Mutex<Option<HeldTerminal>> = Mutex::new(None);

/// The text for stderr that waits until the terminal is restored, and what restores it.
struct HeldTerminal {
    text: String,
    restore: fn(),
}

/// Maximum size of the held text, bytes.
const MOST_HELD: usize = 64 * 1024;

/// Whether standard output still has a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputState {
    /// The line was written.
    Open,
    /// The reader closed the pipe.
    Closed,
    /// The terminal has hung up, which SIGHUP reports too, a little earlier or later.
    HungUp,
}

/// Prints a line to stderr and ignores a closed pipe. Control characters are escaped, whatever the text quotes.
pub fn status(text: &str) {
    write_stderr(&escape_control_lines(text));
}

/// Returns whether a stream takes colour: a terminal, unless `NO_COLOR` or `CLICOLOR=0` is set, or any stream with
/// `CLICOLOR_FORCE=1`. `NO_COLOR` overrides the others.
pub fn colour(stream: &impl RawStream) -> bool {
    !matches!(AutoStream::choice(stream), ColorChoice::Never)
}

/// Prints an error to stderr; `error:` and `tip:` at the start of a line are coloured where stderr takes colour.
pub(crate) fn report_error(text: &str) {
    let text = escape_control_lines(text);
    write_stderr(&if colour(&io::stderr()) { painted(&text) } else { text });
}

/// Colours the first words of lines as clap does.
fn painted(text: &str) -> String {
    let styles = [("error:", STYLES.get_error()), ("tip:", STYLES.get_valid())];
    let paint = |line: &str| {
        let found = styles.iter().find_map(|(word, style)| Some((word, style, line.strip_prefix(word)?)));
        found.map_or_else(|| line.to_owned(), |(word, style, rest)| format!("{style}{word}{style:#}{rest}"))
    };
    text.lines().map(paint).collect::<Vec<_>>().join("\n")
}

fn write_stderr(lines: &str) {
    let _ = StderrWriter.write_all(format!("{lines}\n").as_bytes());
}

/// Standard error, below progress lines and held text; each write is one record.
#[derive(Debug)]
pub(crate) struct StderrWriter;

impl Write for StderrWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match held().as_mut() {
            Some(held) if held.text.len() < MOST_HELD => {
                held.text.push_str(&String::from_utf8_lossy(bytes));
            }
            Some(_) => {}
            None => aside(|| io::stderr().lock().write_all(bytes))?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Holds text for stderr back until it is dropped.
#[derive(Debug)]
pub struct StderrHold(());

impl StderrHold {
    /// Starts to hold text back. `restore` restores the terminal if a signal exits or stops the process meanwhile; it
    /// may be called more than once.
    pub fn begin(restore: fn()) -> Self {
        held().get_or_insert_with(|| HeldTerminal { text: String::new(), restore });
        Self(())
    }
}

impl Drop for StderrHold {
    fn drop(&mut self) {
        let text = held().take().map(|held| held.text).unwrap_or_default();
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

fn held() -> std::sync::MutexGuard<'static, Option<HeldTerminal>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Restores the terminal if the live view is on it.
pub(crate) fn restore_terminal() {
    let restore = held().as_ref().map(|held| held.restore);
    if let Some(restore) = restore {
        restore();
    }
}

/// Returns whether a write to standard output failed because its terminal has hung up.
pub fn is_hung_up(error: &io::Error) -> bool {
    // A disk can have the same error, and its results are lost.
    let is_device = || {
        let stdout = io::stdout().as_fd().try_clone_to_owned()?;
        Ok::<_, io::Error>(File::from(stdout).metadata()?.file_type().is_char_device())
    };
    error.raw_os_error() == Some(Errno::IO.raw_os_error()) && is_device().unwrap_or(false)
}

/// Writes a line to standard output and flushes it. Fails on a full disk, for example, but not on a closed pipe or
/// terminal.
pub fn print_line(line: &str) -> io::Result<OutputState> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Ok(()) => Ok(OutputState::Open),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(OutputState::Closed),
        Err(error) if is_hung_up(&error) => Ok(OutputState::HungUp),
        Err(error) => Err(io::Error::new(error.kind(), format!("cannot write to standard output: {error}"))),
    }
}
