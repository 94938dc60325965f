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
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use draw::Frame;
use model::Model;
use ratatui::layout::Size;
use stentor_cli::{HANGUP, OutputState, Shutdown, continuations, is_hung_up, print_line, suspend_job};
use stentor_run_view::reader::{Reader, ReaderCommand, ReaderEvent};
use stentor_run_view::reading::{RunReader, Target};
use stentor_run_view::view::RunView;
use terminal::Screen;
pub(crate) use theme::Theme;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::plain::OutputFormat;

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

/// Shows runs until the one it is started for ends, or the user quits; the last frame stays on the terminal. In the
/// background of the terminal, prints a line per reading. `None` where the terminal is not available.
pub(crate) async fn run_live_view(
    reader: &Arc<RunReader>,
    target: Target,
    command: ReaderCommand,
    theme: Theme,
    shutdown: &Shutdown,
) -> Option<Watched> {
    let mut model = Model::new(target, command);
    let mut screen = Screen::default();
    screen.follow_foreground().ok()?;
    let began = Instant::now();
    let reader = Reader::new(reader, command);
    let reason = draw_until_exit(&mut model, &mut screen, reader, began, theme, shutdown).await;
    let is_open = screen.is_open();
    drop(screen);
    let frame = Frame { model: &model, now: began.elapsed(), theme };
    let exit = reason.and_then(|reason| {
        let printed = if is_open { print_summary(&frame) } else { Ok(()) };
        match (reason, printed) {
            // The signal may be that of a closed terminal.
            (ExitReason::Signal(_), _) | (_, Ok(())) => Ok(reason),
            (_, Err(error)) => Err(write_error(&error)),
        }
    });
    Some(Watched { exit, view: model.state.view })
}

fn print_summary(frame: &Frame<'_>) -> io::Result<()> {
    let (width, height) = crossterm::terminal::size()?;
    terminal::print(&frame.summary(Size { width, height }))
}

fn write_error(error: &io::Error) -> anyhow::Error {
    anyhow!("cannot write to the terminal: {error}")
}

/// Draws every event until the view ends; an error of the reader ends it while nothing was read yet.
async fn draw_until_exit(
    model: &mut Model,
    screen: &mut Screen,
    mut reader: Reader,
    began: Instant,
    theme: Theme,
    shutdown: &Shutdown,
) -> anyhow::Result<ExitReason> {
    let mut continuations = continuations()?;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut is_new = false;
        tokio::select! {
            () = shutdown.wait() => return Ok(ExitReason::Signal(shutdown.code().unwrap_or(INTERRUPTED))),
            event = reader.next() => match event {
                ReaderEvent::Read(Err(error)) if !model.has_answer => return Err(error.into()),
                event => {
                    is_new = matches!(event, ReaderEvent::Read(Ok(Some(_))));
                    model.update(event, began.elapsed());
                }
            },
            key = screen.key() => {
                if is_with_control(&key, 'c') {
                    return Ok(ExitReason::Signal(INTERRUPTED));
                }
                if is_with_control(&key, 'z') {
                    suspend_job();
                } else if is_plain(&key) && !model.handle_key(key.code) {
                    return Ok(ExitReason::Quit);
                }
            }
            // Meanwhile the shell has used the terminal.
            _ = continuations.recv() => terminal::restore(),
            _ = ticks.tick() => {}
        }
        reader.command(model.command);
        let frame = Frame { model, now: began.elapsed(), theme };
        if let Some(reason) = show(screen, frame, is_new)? {
            return Ok(reason);
        }
        if model.has_ended() {
            return Ok(ExitReason::RunEnded);
        }
    }
}

/// Draws the frame or, in the background, prints a line if there is a new reading. Returns a reason to end.
fn show(screen: &mut Screen, frame: Frame<'_>, is_new: bool) -> anyhow::Result<Option<ExitReason>> {
    if let Err(error) = screen.follow_foreground().and_then(|()| screen.draw(frame)) {
        return if is_hung_up(&error) {
            Ok(Some(ExitReason::Signal(HANGUP)))
        } else {
            Err(write_error(&error))
        };
    }
    let line = frame.model.view().filter(|_| is_new && !screen.is_open());
    Ok(match line.map(|view| print_line(&OutputFormat::Line.render(view))).transpose()? {
        Some(OutputState::Closed) => Some(ExitReason::Quit),
        Some(OutputState::HungUp) => Some(ExitReason::Signal(HANGUP)),
        Some(OutputState::Open) | None => None,
    })
}

fn is_with_control(key: &KeyEvent, letter: char) -> bool {
    key.code == KeyCode::Char(letter) && key.modifiers.contains(KeyModifiers::CONTROL)
}

/// Whether the model takes the key: one that is pressed alone.
fn is_plain(key: &KeyEvent) -> bool {
    key.kind != KeyEventKind::Release && !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
}
