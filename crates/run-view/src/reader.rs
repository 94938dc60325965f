//! Reads beside a surface that stays open, as often as it is asked to.

use std::time::Duration;

use stentor_aws::Error;
use stentor_aws::metrics::RunRecord;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::follow::{Choice, Watch};
use crate::reading::Sources;
use crate::view::Answer;

/// What is asked of the reader.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    pub choice: Choice,
    pub interval: Duration,
    pub paused: bool,
    /// How often a list of the runs was asked for.
    pub lists: u32,
}

/// What the reader brings.
#[derive(Debug)]
pub enum News {
    Answer(Answer),
    Runs(Vec<RunRecord>),
}

/// Reads until nobody wants it any more. An error ends it only while nothing was read yet: later, the data that there
/// are stay, and it goes on asking.
pub async fn read(
    sources: &Sources,
    mut wishes: watch::Receiver<Wish>,
    news: mpsc::UnboundedSender<News>,
) -> Result<(), Error> {
    let mut wish = *wishes.borrow_and_update();
    let mut run = Watch::new(sources, wish.choice);
    let mut next = Instant::now();
    let mut answered = false;
    loop {
        // Compared, since a change may have come, and been seen, while a reading was under way.
        let wanted = *wishes.borrow_and_update();
        let before = std::mem::replace(&mut wish, wanted);
        next = (next + wish.interval).checked_sub(before.interval).unwrap_or(next);
        if wish.choice != before.choice {
            run = Watch::new(sources, wish.choice);
            next = Instant::now();
        }
        if wish.lists != before.lists {
            let list = sources.metrics.runs().await;
            let _ = news.send(list.map_or_else(|error| News::Answer(trouble(&error)), News::Runs));
        }
        tokio::select! {
            () = sleep_until(next), if !wish.paused => {}
            changed = wishes.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return Ok(()),
            },
        }
        let begun = Instant::now();
        // A hung reading is given up for another run.
        let looked = tokio::select! {
            looked = run.look() => looked,
            _ = async { wishes.wait_for(|wanted| wanted.choice != wish.choice).await.is_ok() } => continue,
        };
        let told = match looked {
            Ok(Some(seen)) => Answer::Seen(Box::new(seen)),
            Ok(None) => Answer::NoRun,
            Err(error) if answered => trouble(&error),
            Err(error) => return Err(error),
        };
        answered |= !matches!(told, Answer::Trouble(_));
        if news.send(News::Answer(told)).is_err() {
            return Ok(());
        }
        next = begun + wish.interval;
    }
}

/// The error in one line.
fn trouble(error: &Error) -> Answer {
    Answer::Trouble(error.to_string().lines().collect::<Vec<_>>().join("; "))
}
