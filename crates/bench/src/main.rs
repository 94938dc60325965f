//! Measures Stentor, and prints each figure with its goal.

use std::process::ExitCode;

use anyhow::ensure;
use clap::Parser;
use stentor_bench::programs::Programs;
use stentor_bench::report::{Line, table};
use stentor_bench::scenarios::{Bench, Scenario, all, quick};

/// Measure the requests, CPU, memory, time and dollars per message, and compare with goals and other programs.
#[derive(Debug, Parser)]
#[command(name = "stentor-bench")]
struct Args {
    /// Print one JSON object per figure instead of a table.
    #[arg(long)]
    json: bool,
    /// Number of runs of each scenario, of which the median is reported.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=99))]
    runs: u8,
    /// Measure only figures without noise, once, with few messages; exit with status 1 if a goal is missed.
    #[arg(long, conflicts_with_all = ["only", "runs"])]
    quick: bool,
    /// Run only the scenarios whose names start with NAME; repeatable.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// List the scenarios and their figures, and exit.
    #[arg(long)]
    list: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let mut scenarios = if args.quick { quick() } else { all() };
    if !args.only.is_empty() {
        scenarios.retain(|scenario| args.only.iter().any(|name| scenario.name.starts_with(name.as_str())));
    }
    ensure!(!scenarios.is_empty(), "no scenario has such a name; --list names them");
    if args.list {
        for scenario in &scenarios {
            let figures: Vec<_> = scenario.figures.iter().map(|figure| figure.name).collect();
            println!("{}: {}", scenario.name, figures.join("; "));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let programs = if args.quick { Programs::build_for_tests()? } else { Programs::build()? };
    let bench = Bench::of(programs);
    let runs = if args.quick { 1 } else { args.runs };
    let mut lines = Vec::new();
    for scenario in &scenarios {
        let of_scenario = play(&bench, scenario, runs)?;
        if args.json {
            for line in &of_scenario {
                println!("{}", serde_json::to_string(line)?);
            }
        }
        lines.extend(of_scenario);
    }
    if !args.json {
        print!("{}", table(&lines));
    }
    let missed = lines.iter().any(|line| line.met == Some(false));
    Ok(if args.quick && missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn play(bench: &Bench, scenario: &Scenario, runs: u8) -> anyhow::Result<Vec<Line>> {
    let mut values = vec![Vec::new(); scenario.figures.len()];
    for run in 1..=runs {
        eprintln!("{} ({run} of {runs})", scenario.name);
        for (of_figure, value) in values.iter_mut().zip((scenario.play)(bench)?) {
            of_figure.push(value);
        }
    }
    Ok(scenario
        .figures
        .iter()
        .zip(values)
        .map(|(figure, values)| Line::of(scenario.name, figure, values))
        .collect())
}
