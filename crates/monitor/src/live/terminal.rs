//! The terminal while the view is on it, and its restoration.

use std::future::pending;
use std::io::{self, BufWriter, Stdout, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{Event, EventStream, KeyEvent};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use futures::StreamExt;
use ratatui::Terminal;
use ratatui::backend::{CrosstermBackend, IntoCrossterm};
use ratatui::buffer::Buffer;
use ratatui::widgets::Widget;
use stentor_cli::{StderrHold, is_foreground};

/// The view is on the terminal.
static OPEN: AtomicBool = AtomicBool::new(false);

/// The place of the view: the terminal while this process is in its foreground, else none.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    terminal: Option<TerminalGuard>,
}

impl Screen {
    /// Takes over the terminal in the foreground, also again after this process was stopped, and leaves it in the
    /// background.
    pub(crate) fn follow_foreground(&mut self) -> io::Result<()> {
        if !OPEN.load(Ordering::SeqCst) || !is_foreground(io::stdout()) {
            self.terminal = None;
        }
        if self.terminal.is_none() && is_foreground(io::stdout()) {
            self.terminal = Some(TerminalGuard::open()?);
        }
        Ok(())
    }

    pub(crate) fn is_open(&self) -> bool {
        self.terminal.is_some()
    }

    /// Draws, if there is a place.
    pub(crate) fn draw(&mut self, widget: impl Widget) -> io::Result<()> {
        let Some(TerminalGuard { terminal, .. }) = &mut self.terminal else { return Ok(()) };
        terminal.draw(|frame| frame.render_widget(widget, frame.area())).map(drop)
    }

    /// Returns the next key. Never returns in the background, whose keys are for others, and without a keyboard.
    pub(crate) async fn key(&mut self) -> KeyEvent {
        let Some(TerminalGuard { events, .. }) = &mut self.terminal else { return pending().await };
        loop {
            match events.next().await {
                Some(Ok(Event::Key(key))) => return key,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return pending().await,
            }
        }
    }
}

/// Standard output while the view is on it. Later writes are discarded: ratatui shows the cursor when it is dropped,
/// and panics if that fails because the terminal has hung up.
#[derive(Debug)]
struct ViewOutput(Stdout);

impl Write for ViewOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if OPEN.load(Ordering::SeqCst) { self.0.write(bytes) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if OPEN.load(Ordering::SeqCst) { self.0.flush() } else { Ok(()) }
    }
}

/// The terminal in raw mode on the alternate screen. Dropping this restores it, and so does a panic or a signal.
#[derive(Debug)]
struct TerminalGuard {
    terminal: Terminal<CrosstermBackend<BufWriter<ViewOutput>>>,
    events: EventStream,
    /// Messages for stderr, which are written once the terminal is restored: fields are dropped after their owner.
    _messages: StderrHold,
}

impl TerminalGuard {
    /// Takes over the terminal; an error leaves it as it was.
    fn open() -> io::Result<Self> {
        restore_on_panic();
        // A process that was stopped by SIGSTOP is still in raw mode for crossterm, but its shell has changed the mode.
        disable_raw_mode()?;
        enable_raw_mode()?;
        OPEN.store(true, Ordering::SeqCst);
        let opened = execute!(io::stdout(), EnterAlternateScreen, Hide).and_then(|()| {
            // A frame is one write.
            let output = BufWriter::with_capacity(256 * 1024, ViewOutput(io::stdout()));
            Terminal::new(CrosstermBackend::new(output))
        });
        match opened {
            Ok(terminal) => {
                Ok(Self { terminal, events: EventStream::new(), _messages: StderrHold::begin(restore) })
            }
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the terminal, once.
pub(crate) fn restore() {
    if OPEN.swap(false, Ordering::SeqCst) {
        // In the background the terminal is the shell's, and changing its mode would stop this process.
        if is_foreground(io::stdout()) {
            let _ = disable_raw_mode();
            let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        }
    }
}

/// Restores the terminal before a panic prints its message, which would be lost with the alternate screen.
fn restore_on_panic() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            hook(panic);
        }));
    });
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
