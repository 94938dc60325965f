//! The live view on a terminal.
//!
//! `model` is all that the view shows, `draw` makes cells of it, and `terminal` has the terminal until it is given back.
//! Only this file joins them, and the reader beside them.

mod draw;
#[cfg(test)]
mod frames;
mod model;
mod terminal;
mod theme;

use std::io;
use std::time::Duration;

use anyhow::anyhow;
use crossterm::event::{Event, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use draw::Picture;
use futures::StreamExt;
use model::{Key, Model};
use stentor_cli::Shutdown;
use terminal::Canvas;
pub(crate) use theme::Theme;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use stentor_run_view::follow::Choice;
use stentor_run_view::reader::{self, Wish};
use stentor_run_view::reading::Sources;
use stentor_run_view::view::{Data, Place};

/// How often age and time left move on.
const TICK: Duration = Duration::from_millis(500);

/// The exit code of Ctrl-C, which is a key here and no signal.
const INTERRUPTED: u8 = 130;

/// How watching a run came to its end.
#[derive(Debug)]
pub(crate) enum Ending {
    /// With the run it was begun for.
    Over(Box<Data>),
    /// Somebody left: what was seen last.
    Left(Option<Box<Data>>),
    /// By a signal, or Ctrl-C: the exit code.
    Signal(u8),
    /// It could not go on: why, and what was seen last.
    Failed(anyhow::Error, Option<Box<Data>>),
}

/// What ends the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Over,
    Left,
    Signal(u8),
}

/// Shows runs until the one it is begun for ends, or somebody leaves; what was seen last stays behind. `None` where the
/// terminal cannot be taken over.
pub(crate) async fn show(
    sources: &Sources,
    place: Place,
    choice: Choice,
    every: Duration,
    look: Theme,
    shutdown: &Shutdown,
) -> Option<Ending> {
    let wish = Wish { choice, interval: every, paused: false, lists: 0 };
    let mut model = Model::new(place, wish);
    let mut canvas = Canvas::open().ok()?;
    let began = Instant::now();
    let ended = follow(&mut model, &mut canvas, sources, began, look, shutdown).await;
    let size = canvas.size();
    drop(canvas);
    let picture = Picture { model: &model, now: began.elapsed(), look };
    let left = ended.and_then(|end| {
        terminal::print(&picture.summary(size.map_err(|error| unwritten(&error))?))
            .map_err(|error| unwritten(&error))?;
        Ok(end)
    });
    let data = model.known.data.map(Box::new);
    Some(match (left, data) {
        (Ok(End::Over), Some(data)) => Ending::Over(data),
        (Ok(End::Signal(code)), _) => Ending::Signal(code),
        (Ok(End::Left | End::Over), data) => Ending::Left(data),
        (Err(error), data) => Ending::Failed(error, data),
    })
}

fn unwritten(error: &io::Error) -> anyhow::Error {
    anyhow!("the terminal cannot be written: {error}")
}

/// Draws what comes until the end.
async fn follow(
    model: &mut Model,
    canvas: &mut Canvas,
    sources: &Sources,
    began: Instant,
    look: Theme,
    shutdown: &Shutdown,
) -> anyhow::Result<End> {
    let (wishes, wanted) = watch::channel(model.wish);
    let (news, mut arrivals) = mpsc::unbounded_channel();
    let mut reader = Box::pin(reader::read(sources, wanted, news));
    let mut events = EventStream::new();
    let mut listening = true;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.wait() => return Ok(End::Signal(shutdown.code().unwrap_or(INTERRUPTED))),
            read = &mut reader => return read.map(|()| End::Left).map_err(Into::into),
            Some(news) = arrivals.recv() => model.learn(news, began.elapsed()),
            event = events.next(), if listening => match event {
                Some(Ok(Event::Key(key))) if is_interrupt(&key) => return Ok(End::Signal(INTERRUPTED)),
                Some(Ok(Event::Key(key))) => {
                    if key_of(&key).is_some_and(|key| !model.press(key)) {
                        return Ok(End::Left);
                    }
                }
                Some(Ok(_)) => {}
                // Nobody can press a key any more; the view goes on.
                Some(Err(_)) | None => listening = false,
            },
            _ = ticks.tick() => {}
        }
        wishes.send_if_modified(|wish| std::mem::replace(wish, model.wish) != model.wish);
        canvas.draw(Picture { model, now: began.elapsed(), look }).map_err(|error| unwritten(&error))?;
        if model.is_over() {
            return Ok(End::Over);
        }
    }
}

fn is_interrupt(key: &KeyEvent) -> bool {
    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL)
}

fn key_of(key: &KeyEvent) -> Option<Key> {
    if key.kind == KeyEventKind::Release
        || key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
    {
        return None;
    }
    Some(match key.code {
        KeyCode::Char('q') => Key::Quit,
        KeyCode::Char('p' | ' ') => Key::Pause,
        KeyCode::Char('+' | '=') => Key::Longer,
        KeyCode::Char('-' | '_') => Key::Shorter,
        KeyCode::Char('r') => Key::Runs,
        KeyCode::Char('?' | 'h') => Key::Help,
        KeyCode::Up | KeyCode::Char('k') => Key::Up,
        KeyCode::Down | KeyCode::Char('j') => Key::Down,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Back,
        _ => return None,
    })
}
