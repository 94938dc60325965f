//! The live view on a terminal.
//!
//! `model` is the state of the view, `draw` renders it, and `terminal` owns the terminal until it is restored.

mod draw;
#[cfg(test)]
mod frames;
mod model;
mod terminal;
mod theme;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use draw::Frame;
use futures::StreamExt;
use model::Model;
use stentor_cli::Shutdown;
use stentor_run_view::reader::{Reader, ReaderCommand, ReaderEvent};
use stentor_run_view::reading::{RunReader, Target};
use stentor_run_view::view::RunView;
use terminal::TerminalGuard;
pub(crate) use theme::Theme;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often age and time left are redrawn.
const TICK: Duration = Duration::from_millis(500);

/// The exit status of Ctrl-C, which is a key here and no signal.
const INTERRUPTED: u8 = 130;

/// How watching a run ended, with the last view.
#[derive(Debug)]
pub(crate) struct Watched {
    pub exit: anyhow::Result<ExitReason>,
    pub view: Option<RunView>,
}

/// Why watching a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitReason {
    /// The run it was started for has ended.
    RunEnded,
    /// The user left, or wanted no more.
    Quit,
    /// A signal or Ctrl-C, with its exit status.
    Signal(u8),
}

/// Shows runs until the one it is started for ends, or the user quits; the last frame stays on the terminal. `None`
/// where the terminal is not available.
pub(crate) async fn run_live_view(
    reader: &Arc<RunReader>,
    target: Target,
    command: ReaderCommand,
    theme: Theme,
    shutdown: &Shutdown,
) -> Option<Watched> {
    let mut model = Model::new(target, command);
    let mut terminal = TerminalGuard::open().ok()?;
    let began = Instant::now();
    let reader = Reader::new(reader, command);
    let reason = draw_until_exit(&mut model, &mut terminal, reader, began, theme, shutdown).await;
    let size = terminal.size();
    drop(terminal);
    let frame = Frame { model: &model, now: began.elapsed(), theme };
    let exit = reason.and_then(|reason| {
        terminal::print(&frame.summary(size.map_err(|error| write_error(&error))?))
            .map_err(|error| write_error(&error))?;
        Ok(reason)
    });
    Some(Watched { exit, view: model.state.view })
}

fn write_error(error: &io::Error) -> anyhow::Error {
    anyhow!("cannot write to the terminal: {error}")
}

/// Draws every event until the view ends; an error of the reader ends it while nothing was read yet.
async fn draw_until_exit(
    model: &mut Model,
    terminal: &mut TerminalGuard,
    mut reader: Reader,
    began: Instant,
    theme: Theme,
    shutdown: &Shutdown,
) -> anyhow::Result<ExitReason> {
    let mut events = EventStream::new();
    let mut has_keyboard = true;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.wait() => return Ok(ExitReason::Signal(shutdown.code().unwrap_or(INTERRUPTED))),
            event = reader.next() => match event {
                ReaderEvent::Read(Err(error)) if !model.has_answer => return Err(error.into()),
                event => model.update(event, began.elapsed()),
            },
            event = events.next(), if has_keyboard => match event {
                Some(Ok(Event::Key(key))) if is_interrupt(&key) => return Ok(ExitReason::Signal(INTERRUPTED)),
                Some(Ok(Event::Key(key))) if is_plain(&key) && !model.handle_key(key.code) => {
                    return Ok(ExitReason::Quit);
                }
                Some(Ok(_)) => {}
                // No key can be pressed any more; the view goes on.
                Some(Err(_)) | None => has_keyboard = false,
            },
            _ = ticks.tick() => {}
        }
        reader.command(model.command);
        let frame = Frame { model, now: began.elapsed(), theme };
        terminal.draw(frame).map_err(|error| write_error(&error))?;
        if model.has_ended() {
            return Ok(ExitReason::RunEnded);
        }
    }
}

fn is_interrupt(key: &KeyEvent) -> bool {
    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL)
}

/// Whether the model takes the key: one that is pressed alone.
fn is_plain(key: &KeyEvent) -> bool {
    key.kind != KeyEventKind::Release && !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
}
