//! The raw loader's door: see [`stentor_bench::raw`].

use clap::{Args, Parser, Subcommand};
use stentor_aws::names::StackName;
use stentor_bench::raw::{self, Endpoint, Production};
use stentor_core::run::MAX_LENGTH;

/// Make the calls of the producer or of the sender by hand, and say how long they took: the practical limit.
#[derive(Debug, Parser)]
#[command(name = "raw-loader")]
struct Line {
    #[command(subcommand)]
    job: Job,
}

#[derive(Debug, Subcommand)]
enum Job {
    /// What the producer does.
    Produce {
        #[command(flatten)]
        way: Way,
        /// How many messages.
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        messages: u32,
        /// Longest text, characters.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_LENGTH)))]
        length: u16,
    },
    /// What the sender does with no wait, until the queue has been empty for a second.
    Send {
        #[command(flatten)]
        way: Way,
    },
}

#[derive(Debug, Args)]
struct Way {
    /// Where the services are, `http://HOST:PORT`.
    #[arg(long)]
    endpoint: Endpoint,
    /// The stack.
    #[arg(long, default_value = "stentor")]
    stack: StackName,
    /// Lanes, each with a connection of its own.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    concurrency: u16,
}

// One thread, as in the programs that it is compared with.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let load = match Line::parse().job {
        Job::Produce { way, messages, length } => {
            let production = Production { messages, length, concurrency: way.concurrency.into() };
            raw::produce(&way.endpoint, &way.stack, &production).await?
        }
        Job::Send { way } => raw::send(&way.endpoint, &way.stack, way.concurrency.into()).await?,
    };
    println!("{}", serde_json::to_string(&load)?);
    Ok(())
}
