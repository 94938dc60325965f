//! The pipeline of four stages: `intake → delivery → outcome → settlement`.
//!
//! Each stage is a task with one input, and ends when its input is closed and empty. Shutting down therefore means:
//! stop the intake, and wait for the stages in their order. A message that no stage settles is released.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use stentor_aws::{Error, MessagesTable, Queue};
use stentor_core::delivery::DeliveryModel;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, spawn_local};
use tokio_util::sync::CancellationToken;

use crate::activity::RunActivity;
use crate::counters::SenderCounters;
use crate::delivery::DeliveryStage;
use crate::in_flight::InFlight;
use crate::intake::Intake;
use crate::outcome::OutcomeRecorder;
use crate::prefetch::PrefetchPolicy;
use crate::settlement::SettlementStage;
use crate::stop::FailureLimit;
use crate::visibility::extend_visibility;

/// The settings of a [`Pipeline`], and the tables and queue it works on.
#[derive(Debug)]
pub(crate) struct PipelineConfig {
    pub queue: Queue,
    pub messages: MessagesTable,
    pub model: DeliveryModel,
    pub concurrency: usize,
    pub max_attempts: u32,
    pub failure_limit: Option<FailureLimit>,
    /// The time for which a received message is invisible to other senders.
    pub visibility_timeout: Duration,
    /// The sender's ID.
    pub sender: String,
}

/// The running stages, with the state that they share.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub in_flight: Rc<InFlight>,
    pub counters: Rc<RefCell<SenderCounters>>,
    pub activity: Rc<RefCell<RunActivity>>,
    /// The tasks of intake, delivery and outcome.
    stages: [JoinHandle<()>; 3],
    settlement: JoinHandle<()>,
    stop: CancellationToken,
    failure_limit_reached: CancellationToken,
    errors: RefCell<UnboundedReceiver<Error>>,
}

impl Pipeline {
    /// Starts all stages. The intake begins to receive at once.
    pub(crate) fn start(config: PipelineConfig) -> Self {
        let PipelineConfig { queue, messages, model, visibility_timeout, .. } = config;
        let (stop, failure_limit_reached) = (CancellationToken::new(), CancellationToken::new());
        let (errors, error_receiver) = unbounded_channel();
        let counters = Rc::new(RefCell::new(SenderCounters::default()));
        let activity = Rc::new(RefCell::new(RunActivity::new()));
        let (in_flight, settlements) = InFlight::new(Rc::clone(&counters));

        let intake = Intake {
            queue: queue.clone(),
            messages: messages.clone(),
            in_flight: Rc::clone(&in_flight),
            counters: Rc::clone(&counters),
            activity: Rc::clone(&activity),
            prefetch: PrefetchPolicy::new(config.concurrency, model.wait.mean()),
            visibility_timeout,
            stop: stop.clone(),
        };
        let delivery = DeliveryStage {
            model,
            max_attempts: config.max_attempts,
            slots: Semaphore::new(config.concurrency),
            stop: stop.clone(),
        };
        let outcome = OutcomeRecorder {
            messages,
            counters: Rc::clone(&counters),
            activity: Rc::clone(&activity),
            sender: config.sender,
            updates: Cell::new(0),
            failure_limit: config.failure_limit,
            failure_limit_reached: failure_limit_reached.clone(),
            errors: errors.clone(),
        };
        let settlement = SettlementStage {
            queue: queue.clone(),
            in_flight: Rc::downgrade(&in_flight),
            visibility_timeout,
            errors: errors.clone(),
        };
        let extender = extend_visibility(queue, Rc::downgrade(&in_flight), visibility_timeout);
        spawn_local(report_error(extender, errors.clone()));

        let (intake_output, delivery_input) = unbounded_channel();
        let (delivery_output, outcome_input) = unbounded_channel();
        Self {
            stages: [
                spawn_local(report_error(intake.run(intake_output), errors)),
                spawn_local(delivery.run(delivery_input, delivery_output)),
                spawn_local(outcome.run(outcome_input)),
            ],
            settlement: spawn_local(settlement.run(settlements)),
            in_flight,
            counters,
            activity,
            stop,
            failure_limit_reached,
            errors: RefCell::new(error_receiver),
        }
    }

    /// Waits until the failure limit is reached. Returns an error as soon as a stage has one.
    pub(crate) async fn failure_limit_reached(&self) -> Result<(), Error> {
        tokio::select! {
            biased;
            Some(error) = poll_fn(|context| self.errors.borrow_mut().poll_recv(context)) => Err(error),
            () = self.failure_limit_reached.cancelled() => Ok(()),
        }
    }

    /// Stops the intake, cancels the deliveries, records the outcomes of those that ended, and settles all
    /// messages. Returns the first error of a stage.
    pub(crate) async fn shut_down(self) -> Result<(), Error> {
        self.stop.cancel();
        let stages_ended = async {
            for stage in self.stages {
                // The leases of a stage that panicked expire, so its messages are not lost.
                let _ = stage.await;
            }
            // Closes the input of the settlement stage.
            drop(self.in_flight);
            let _ = self.settlement.await;
        };
        let mut errors = self.errors.into_inner();
        tokio::select! {
            biased;
            Some(error) = errors.recv() => Err(error),
            () = stages_ended => Ok(()),
        }
    }
}

async fn report_error(task: impl Future<Output = Result<(), Error>>, errors: UnboundedSender<Error>) {
    if let Err(error) = task.await {
        // Only the first error of the pipeline is received.
        let _ = errors.send(error);
    }
}
