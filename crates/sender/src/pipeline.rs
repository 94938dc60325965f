//! The pipeline of four stages: `intake → delivery → outcome → settlement`.
//!
//! Each stage is a task with one input, and ends when its input is closed and empty. Shutting down therefore means:
//! stop the intake, and wait for the stages in their order. A message that no stage settles is released.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;

use stentor_aws::Error;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, spawn_local};
use tokio_util::sync::CancellationToken;

use crate::Connections;
use crate::allowance::Allowances;
use crate::args::Args;
use crate::delivery::DeliveryStage;
use crate::in_flight::InFlight;
use crate::intake::Intake;
use crate::outcome::OutcomeRecorder;
use crate::prefetch::PrefetchPolicy;
use crate::reservation::ReservationStage;
use crate::run_seeds::RunSeeds;
use crate::settings::Settings;
use crate::settlement::SettlementStage;
use crate::state::SenderState;
use crate::visibility::extend_visibility;

/// The running stages, with the state that they share.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub in_flight: Rc<InFlight>,
    pub state: Rc<SenderState>,
    /// The tasks of intake, delivery and outcome.
    stages: [JoinHandle<()>; 3],
    settlement: JoinHandle<()>,
    allowances: Option<Rc<Allowances>>,
    stop: CancellationToken,
    failure_limit_reached: CancellationToken,
    errors: RefCell<UnboundedReceiver<Error>>,
}

impl Pipeline {
    /// Starts all stages of the sender with this ID. The intake begins to receive at once.
    pub(crate) fn start(args: &Args, settings: &Settings, connections: &Rc<Connections>, id: String) -> Self {
        let Settings { model, concurrency, ttl, provider } = settings.clone();
        let concurrency = concurrency as usize;
        let (stop, failure_limit_reached) = (CancellationToken::new(), CancellationToken::new());
        let (errors, error_receiver) = unbounded_channel();
        let state = Rc::new(SenderState::new());
        let (in_flight, settlements) = InFlight::new(Rc::clone(&state));

        let rate_limit = provider
            .as_ref()
            .and_then(|profile| ReservationStage::start(profile, connections, &state, &errors));
        let (rate_limit, admissions) = rate_limit.unzip();
        let intake = Intake {
            connections: Rc::clone(connections),
            in_flight: Rc::clone(&in_flight),
            state: Rc::clone(&state),
            prefetch: PrefetchPolicy::new(concurrency, model.wait.mean()),
            counts_parts: provider.is_some(),
            admissions,
            stop: stop.clone(),
        };
        let allowances =
            provider.as_ref().and_then(|profile| Allowances::new(profile, connections)).map(Rc::new);
        let delivery = DeliveryStage {
            model,
            state: Rc::clone(&state),
            provider,
            run_seeds: RunSeeds::new(connections),
            ttl,
            allowances: allowances.clone(),
            rate_limit,
            max_attempts: args.max_attempts,
            slots: Semaphore::new(concurrency),
            stop: stop.clone(),
            clock: connections.session.clock().clone(),
            errors: errors.clone(),
        };
        let outcome = OutcomeRecorder {
            connections: Rc::clone(connections),
            state: Rc::clone(&state),
            sender: id,
            updates: Cell::new(0),
            failure_limit: args.failure_limit(),
            failure_limit_reached: failure_limit_reached.clone(),
            errors: errors.clone(),
        };
        let settlement = SettlementStage {
            connections: Rc::clone(connections),
            in_flight: Rc::downgrade(&in_flight),
            errors: errors.clone(),
        };
        let extender =
            extend_visibility(Rc::clone(connections), Rc::downgrade(&in_flight), Rc::clone(&state));
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
            allowances,
            in_flight,
            state,
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

    /// Stops the intake, cancels the deliveries, records the outcomes of those that ended, returns unused allowances, and
    /// settles all messages. Returns the first error of a stage.
    pub(crate) async fn shut_down(self) -> Result<(), Error> {
        self.stop.cancel();
        let stages_ended = async {
            for stage in self.stages {
                // The leases of a stage that panicked expire, so its messages are not lost.
                let _ = stage.await;
            }
            // Closes the input of the settlement stage.
            drop(self.in_flight);
            if let Some(allowances) = &self.allowances {
                allowances.close().await;
            }
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

pub(crate) async fn report_error(
    task: impl Future<Output = Result<(), Error>>,
    errors: UnboundedSender<Error>,
) {
    if let Err(error) = task.await {
        // Only the first error of the pipeline is received.
        let _ = errors.send(error);
    }
}
