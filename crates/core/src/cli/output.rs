//! Standard output and error, which somebody may close.

use std::io::{self, Write};

use crate::show::printable_lines;

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
    let _ = writeln!(io::stderr().lock(), "{}", printable_lines(text));
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
