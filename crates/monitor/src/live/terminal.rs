//! The terminal while the view is on it, and as it was before.

use std::io::{self, BufWriter, Stdout, Write};
use std::sync::Once;
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

/// The terminal, taken over. It is given back when this goes, and by a panic.
#[derive(Debug)]
pub(crate) struct Canvas {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    /// Told once the terminal is given back: fields go after their owner.
    _silence: StderrHold,
}

impl Canvas {
    /// Takes the terminal over; an error leaves it as it was.
    pub(crate) fn open() -> io::Result<Self> {
        give_back_on_panic();
        enable_raw_mode()?;
        OPEN.store(true, Ordering::SeqCst);
        let opened = execute!(io::stdout(), EnterAlternateScreen, Hide).and_then(|()| {
            // A frame leaves as one write.
            Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(256 * 1024, io::stdout())))
        });
        match opened {
            Ok(terminal) => Ok(Self { terminal, _silence: StderrHold::begin() }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    pub(crate) fn size(&self) -> io::Result<Size> {
        self.terminal.backend().size()
    }

    pub(crate) fn draw(&mut self, picture: impl Widget) -> io::Result<()> {
        self.terminal.draw(|frame| frame.render_widget(picture, frame.area())).map(drop)
    }
}

impl Drop for Canvas {
    fn drop(&mut self) {
        give_back();
    }
}

/// Restores what the terminal was, once.
fn give_back() {
    if OPEN.swap(false, Ordering::SeqCst) {
        let _ = disable_raw_mode();
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    }
}

/// Else the panic's message would go down with the view.
fn give_back_on_panic() {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            told(panic);
        }));
    });
}

/// Writes a picture as lines, as it was drawn.
pub(crate) fn print(picture: &Buffer) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for row in picture.area.rows() {
        let mut cells: Vec<_> = row.columns().map(|cell| &picture[cell.as_position()]).collect();
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

    #[test]
    #[ignore = "it panics on purpose, on the terminal that the next test gives it"]
    fn panics_on_the_canvas() {
        let _canvas = Canvas::open().unwrap();
        panic!("the view fell over");
    }

    #[test]
    fn a_panic_gives_the_terminal_back_and_is_told() {
        let this = std::env::current_exe().unwrap();
        let line = "--ignored --nocapture --exact live::terminal::tests::panics_on_the_canvas";
        let left = Program::new(&this, line).start_on_terminal(80, 24).finish();
        assert!(left.restored && left.text.contains("the view fell over"), "{left:?}");
        assert_eq!(left.code, Some(101), "{left:?}");
    }
}
