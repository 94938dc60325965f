//! Invalid input and missing prerequisites: a clear error, and no partial work.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use stentor_tests::build::ProgramPaths;
use stentor_tests::{ProcessOutput, Program, Stack, scaled};

/// Asserts that exit code and at most three lines of stderr, without a panic or debug output. The first line
/// has all `words`.
#[track_caller]
pub(crate) fn assert_clear(ended: &ProcessOutput, code: i32, words: &[&str]) {
    let output = format!("{}: exit {:?}\n{}", ended.line, ended.code, ended.stderr);
    assert_eq!(ended.code, Some(code), "{output}");
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    assert!((1..=3).contains(&lines.len()), "{output}");
    assert!(words.iter().all(|word| lines[0].contains(word)), "{words:?} in the first line of: {output}");
    for noise in ["panicked", "backtrace", "Some(", "Err(", "SdkError", "DispatchFailure"] {
        assert!(!ended.stderr.contains(noise), "{output}");
    }
    assert!(ended.stdout.is_empty(), "{output}{}", ended.stdout);
}

pub(crate) fn programs() -> [&'static Path; 3] {
    let built = ProgramPaths::get();
    [&built.producer, &built.sender, &built.monitor]
}

#[test]
fn an_invalid_value_is_a_usage_error_that_names_flag_and_value() {
    let built = ProgramPaths::get();
    let cases: [(&Path, &str, &[&str]); 37] = [
        (&built.producer, "-m 0", &["'0'", "--messages"]),
        (&built.producer, "-m abc", &["'abc'", "--messages"]),
        (&built.producer, "-m -5", &["'-5'", "--messages"]),
        (&built.producer, "-l 0", &["'0'", "--length"]),
        (&built.producer, "-l 1601", &["'1601'", "--length"]),
        (&built.producer, "--rate 0", &["'0'", "--rate"]),
        (&built.producer, "--concurrency 513", &["'513'", "--concurrency"]),
        (&built.producer, "--run nonsense", &["'nonsense'", "--run"]),
        (&built.producer, "--mesages 5", &["'--mesages'"]),
        (&built.sender, "-w -1", &["'-1'", "--wait"]),
        (&built.sender, "-w nan", &["'nan'", "--wait"]),
        (&built.sender, "-w inf", &["'inf'", "--wait"]),
        (&built.sender, "-w 36001", &["'36001'", "--wait"]),
        (&built.sender, "-f 1.5", &["'1.5'", "--failure-rate"]),
        (&built.sender, "-f 110%", &["'110%'", "--failure-rate"]),
        (&built.sender, "-f nan", &["'nan'", "--failure-rate"]),
        (&built.sender, "-f -0.1", &["'-0.1'", "--failure-rate"]),
        (&built.sender, "-c 0", &["'0'", "--concurrency"]),
        (&built.sender, "-c 100000", &["'100000'", "--concurrency"]),
        (&built.sender, "--max-attempts 10", &["'10'", "--max-attempts"]),
        (&built.sender, "--distribution flat", &["'flat'", "--distribution"]),
        (&built.sender, "--ttl 0", &["'0'", "--ttl"]),
        (&built.sender, "--unknown", &["'--unknown'"]),
        (&built.monitor, "-t 0", &["'0'", "--interval"]),
        (&built.monitor, "-t x", &["'x'", "--interval"]),
        (&built.monitor, "-t -1", &["'-1'", "--interval"]),
        (&built.monitor, "-t 3601", &["'3601'", "--interval"]),
        (&built.monitor, "--run 7", &["'7'", "--run"]),
        (&built.monitor, "--stack a_b", &["'a_b'", "--stack"]),
        (&built.monitor, "--endpoint-url nowhere", &["'nowhere'", "--endpoint-url"]),
        (&built.monitor, "extra", &["'extra'"]),
        (&built.monitor, "serve 70000", &["'70000'", "ADDR"]),
        (&built.monitor, "runs --limit 0", &["'0'", "--limit"]),
        (&built.monitor, "runs --run 01JDD0QYJ8000000000000000A", &["'--run'", "'runs'"]),
        (&built.monitor, "--once audit", &["'--once'", "'audit'"]),
        (&built.producer, "resume nonsense", &["'nonsense'", "RUN"]),
        (&built.producer, "-m 5 requeue 01JDD0QYJ8000000000000000A", &["'--messages'", "'requeue'"]),
    ];
    for (program, line, words) in cases {
        assert_clear(&Program::new(program, line).run(), 2, words);
    }
    let port = Program::new(&built.monitor, "--once --local").env("STENTOR_PORT", "http").run();
    assert_clear(&port, 2, &["'http'", "STENTOR_PORT"]);
}

#[test]
fn a_number_that_cannot_be_read_is_a_usage_error_with_the_flag_and_the_accepted_forms() {
    const TIME: &[&str] = &["expected a time from ", "such as 0.5, 500ms, 1.5s, 2m or 1h"];
    const RATE: &[&str] = &["expected a rate from 0 to 1, or 0% to 100%"];
    const COUNT: &[&str] = &["expected a whole number from 1 to ", "such as 1000, 1,000, 10k"];
    let built = ProgramPaths::get();
    let cases: [(&Path, &str, &str, &[&str]); 24] = [
        (&built.sender, "--wait", "5x", TIME),
        (&built.sender, "--wait", "-5s", TIME),
        (&built.sender, "--wait", "NaN", TIME),
        (&built.sender, "--wait", "1e999", TIME),
        (&built.sender, "--wait", "99999999999999999999999h", TIME),
        (&built.sender, "--wait", "1.500", &["1.500 could be 1.5 or 1,500: write 1.5 or 1500"]),
        (&built.sender, "--wait", "1,5", &["1,5 could be 1.5 or 15: write 1.5 or 15"]),
        (&built.sender, "--idle-timeout", "5x", TIME),
        (&built.sender, "--idle-timeout", "-1ms", TIME),
        (&built.sender, "--idle-timeout", "200h", TIME),
        (&built.monitor, "--interval", "5x", TIME),
        (&built.monitor, "--interval", "nan", TIME),
        (&built.monitor, "--interval", "2h", TIME),
        (&built.monitor, "--interval", "-1s", TIME),
        (&built.sender, "--failure-rate", "-10%", RATE),
        (&built.sender, "--failure-rate", "0,1", &["0,1 could be 0.1 or 1: write 0.1 or 1"]),
        (&built.sender, "--max-failure-rate", "101%", RATE),
        (&built.producer, "--messages", "1.000", &["1.000 could be 1 or 1,000: write 1 or 1000"]),
        (&built.producer, "--messages", "1,5", &["1,5 could be 1.5 or 15: write 1.5 or 15"]),
        (&built.producer, "--messages", "2000M", COUNT),
        (&built.producer, "--messages", "-5k", COUNT),
        (&built.sender, "--concurrency", "10K", COUNT),
        (&built.producer, "--rate", "5x", &["expected messages per second above 0", "10k"]),
        (&built.monitor, "--fail-if", "average>5x", &["expected a time with its unit, such as 250ms"]),
    ];
    for (program, flag, value, forms) in cases {
        let refused = Program::new(program, &format!("{flag} {value}")).run();
        assert_clear(&refused, 2, &[&[&*format!("'{value}'"), flag], forms].concat());
    }
}

#[test]
fn a_removed_flag_is_a_usage_error_that_names_its_subcommand() {
    const RUN: &str = "01JDD0QYJ8000000000000000A";
    let built = ProgramPaths::get();
    for (program, line, flag, subcommand) in [
        (&built.producer, "--resume RUN", "--resume RUN", "producer resume RUN"),
        (&built.producer, "--resume=RUN --rate 5 --local", "--resume RUN", "producer resume RUN"),
        (&built.producer, "-m 5 --requeue RUN", "--requeue RUN", "producer requeue RUN"),
        (&built.monitor, "--web", "--web", "monitor serve"),
        (&built.monitor, "-t 1 --web 0.0.0.0:80", "--web 0.0.0.0:80", "monitor serve 0.0.0.0:80"),
        (&built.monitor, "--once --report a.html", "--report a.html", "monitor report a.html"),
        (&built.monitor, "--report=a.html -q", "--report a.html", "monitor report a.html"),
        (&built.monitor, "--compare RUN RUN --json", "--compare RUN RUN", "monitor compare RUN RUN"),
        (&built.monitor, "--run RUN --audit", "--audit", "monitor audit"),
        (&built.monitor, "--repair --local", "--repair", "monitor repair"),
    ] {
        let words = format!("error: '{flag}' is now a subcommand: {subcommand}").replace("RUN", RUN);
        let ended = Program::new(program, &line.replace("RUN", RUN)).run();
        assert_clear(&ended, 2, &[]);
        assert_eq!(ended.stderr.lines().next(), Some(&*words));
    }
}

#[test]
fn help_shows_an_example_and_version_a_number() {
    for program in programs() {
        let help = Program::new(program, "--help").run().exits(0);
        assert!(help.stdout.contains("Examples:") && help.stdout.contains("--stack"), "{}", help.stdout);
        let version = Program::new(program, "--version").run().exits(0);
        assert!(version.stdout.contains(env!("CARGO_PKG_VERSION")), "{}", version.stdout);
    }
}

#[test]
fn missing_credentials_or_region_are_named_in_the_error() {
    for program in programs() {
        let start = Instant::now();
        let none = Program::new(program, "--region us-east-1").run();
        assert_clear(&none, 1, &["no AWS credentials"]);
        let none = Program::new(program, "")
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .run();
        assert_clear(&none, 1, &["no AWS region"]);
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn an_unreachable_endpoint_is_named_within_five_seconds() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let silent_url = format!("http://{}", silent.local_addr().expect("it is bound"));
    let refusing = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let refusing_url = format!("http://{}", refusing.local_addr().expect("it is bound"));
    drop(refusing);
    for program in programs() {
        for url in [&silent_url, &refusing_url] {
            let ended = Program::new(program, &format!("--endpoint-url {url} --region us-east-1"))
                .env("AWS_ACCESS_KEY_ID", "key")
                .env("AWS_SECRET_ACCESS_KEY", "secret")
                .run();
            assert_clear(&ended, 1, &[url, "does not answer"]);
            assert!(ended.took < Duration::from_secs(5), "{}: {:?}", ended.line, ended.took);
        }
    }
}

#[test]
fn the_error_for_a_missing_stack_names_the_deploy_command() {
    let stack = Stack::deploy();
    for program in [
        stack.producer("--stack nowhere"),
        stack.sender("--stack nowhere"),
        stack.monitor("--stack nowhere"),
        stack.monitor("runs --stack nowhere"),
        stack.monitor("--stack nowhere runs"),
    ] {
        let ended = program.run();
        assert_clear(&ended, 1, &["'nowhere'", "us-east-1", "not deployed"]);
        assert!(ended.stderr.contains("setup.sh local --stack nowhere --port "), "{}", ended.stderr);
    }
}

#[test]
fn an_unknown_run_is_named() {
    let stack = Stack::deploy();
    let run = "01JDD0QYJ8000000000000000A";
    for program in [
        stack.producer(&format!("resume {run}")),
        stack.producer(&format!("requeue {run}")),
        stack.monitor(&format!("--run {run}")),
        stack.monitor(&format!("--run {run} --once")),
        stack.monitor(&format!("audit --run {run}")),
    ] {
        assert_clear(&program.run(), 1, &[run]);
    }
    assert_clear(&stack.monitor("--once").run(), 1, &["no run"]);
    assert!(stack.items(run).is_empty(), "an item was created");
}

#[test]
fn a_run_is_never_overwritten_or_resumed_with_another_plan() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 5 -l 20 --seed 3");
    let again = stack.producer(&format!("--run {run}")).run();
    assert_clear(&again, 1, &[&run, "exists"]);
    let resume = format!("producer resume {run} --stack {} --local", stack.name());
    assert!(again.stderr.contains(&resume), "{}", again.stderr);
    for (flags, word) in [("-m 6", "'-m'"), ("-l 21", "'-l'"), ("--seed 4", "'--seed'")] {
        assert_clear(&stack.producer(&format!("resume {run} {flags}")).run(), 2, &[word]);
    }
    assert_clear(&stack.producer(&format!("-m 6 resume {run}")).run(), 2, &["'--messages'", "'resume'"]);
    assert_eq!(stack.backlog("queue"), (5, 0), "nothing was enqueued again");
}

#[test]
fn programs_complete_with_few_file_descriptors() {
    let stack = Stack::deploy();
    let messages = scaled(2_000);
    let line = format!("-m {messages} --concurrency 64 --json");
    let produced = stack.producer(&line).with_open_files(64).run().exits(0).json();
    let sender = stack.sender("-w 0 -c 1000 --idle-timeout 3").with_open_files(64).run().exits(0);
    assert!(!sender.stderr.contains("panicked"), "{}", sender.stderr);
    let run = produced["run"].as_str().expect("a run id");
    let count = stack.count(run);
    assert_eq!((count.pending, count.total()), (0, messages));
}
