//! Starts the aggregator in the Lambda runtime.

use std::process::ExitCode;
use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use stentor_aggregator::{Aggregator, StreamEvent};
use stentor_aws::names::StackName;
use stentor_aws::{MetricsTable, Session};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_ansi(false).without_time().with_target(false).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("the aggregator cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), lambda_runtime::Error> {
    let table = std::env::var("STENTOR_METRICS_TABLE").unwrap_or_default();
    let stack = StackName::from_metrics_table(&table)
        .ok_or("STENTOR_METRICS_TABLE must name the metrics table of a stack, such as stentor-metrics")?;
    let single_shard = std::env::var("STENTOR_SINGLE_SHARD").is_ok_and(|value| value == "true");
    let session = Arc::new(Session::for_lambda(stack)?);
    let aggregator = Aggregator::new(MetricsTable::new(&session), single_shard);
    let aggregator = &aggregator;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<StreamEvent>| {
        Box::pin(aggregator.handle(event.payload)).await.map_err(|error| {
            tracing::error!("{error}; Lambda repeats the batch");
            Diagnostic { error_type: "NotCounted".to_owned(), error_message: error.to_string() }
        })
    }))
    .await
}
