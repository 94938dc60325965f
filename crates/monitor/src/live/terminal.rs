//! The terminal while the view is on it, and its restoration.

use std::io::{self, BufWriter, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, Show};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::Terminal;
use ratatui::backend::{Backend, CrosstermBackend, IntoCrossterm};
use ratatui::buffer::Buffer;
use ratatui::layout::Size;
use ratatui::widgets::Widget;
use stentor_cli::StderrHold;

/// The view is on the terminal.
static OPEN: AtomicBool = AtomicBool::new(false);

/// The terminal in raw mode on the alternate screen. Dropping this restores it, and so does a panic.
#[derive(Debug)]
pub(crate) struct TerminalGuard {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    /// Messages for stderr, which are written once the terminal is restored: fields are dropped after their owner.
    _messages: StderrHold,
}

impl TerminalGuard {
    /// Takes over the terminal; an error leaves it as it was.
    pub(crate) fn open() -> io::Result<Self> {
        restore_on_panic();
        enable_raw_mode()?;
        OPEN.store(true, Ordering::SeqCst);
        let opened = execute!(io::stdout(), EnterAlternateScreen, Hide).and_then(|()| {
            // A frame is one write.
            Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(256 * 1024, io::stdout())))
        });
        match opened {
            Ok(terminal) => Ok(Self { terminal, _messages: StderrHold::begin() }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    pub(crate) fn size(&self) -> io::Result<Size> {
        self.terminal.backend().size()
    }

    pub(crate) fn draw(&mut self, widget: impl Widget) -> io::Result<()> {
        self.terminal.draw(|frame| frame.render_widget(widget, frame.area())).map(drop)
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the terminal, once.
fn restore() {
    if OPEN.swap(false, Ordering::SeqCst) {
        let _ = disable_raw_mode();
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    }
}

/// Restores the terminal before a panic prints its message, which would be lost with the alternate screen.
fn restore_on_panic() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        hook(panic);
    }));
}

/// Prints a frame as lines, as it was drawn.
pub(crate) fn print(buffer: &Buffer) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for row in buffer.area.rows() {
        let mut cells: Vec<_> = row.columns().map(|cell| &buffer[cell.as_position()]).collect();
        while cells.last().is_some_and(|cell| cell.symbol() == " ") {
            cells.pop();
        }
        for run in cells.chunk_by(|one, next| one.style() == next.style()) {
            let text: String = run.iter().map(|cell| cell.symbol()).collect();
            write!(out, "{}", run[0].style().into_crossterm().apply(text))?;
        }
        writeln!(out)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stentor_tests::Program;

    /// Set in the environment of the copy of this test that panics.
    const PANICS: &str = "STENTOR_TEST_PANICS_ON_THE_TERMINAL";

    /// Runs itself again on another terminal, since a panic there ends the process.
    #[test]
    fn a_panic_restores_the_terminal_and_prints_its_message() {
        if std::env::var_os(PANICS).is_some() {
            let _terminal = TerminalGuard::open().unwrap();
            panic!("the view fell over");
        }
        let this = std::env::current_exe().unwrap();
        let name = "live::terminal::tests::a_panic_restores_the_terminal_and_prints_its_message";
        let again = Program::new(&this, &format!("--nocapture --exact {name}")).env(PANICS, "1");
        let left = again.start_on_terminal(80, 24).finish();
        assert!(left.restored && left.text.contains("the view fell over"), "{left:?}");
        assert_eq!(left.code, Some(101), "{left:?}");
    }
}
