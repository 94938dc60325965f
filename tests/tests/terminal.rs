//! Output for terminals only: colours, progress bars and live lines.

use stentor_tests::build::ProgramPaths;
use stentor_tests::{Program, Stack, TerminalOutput};

const ESCAPE: char = '\u{1b}';

/// Runs a program on a terminal of 80 columns.
fn on_terminal(program: Program, code: i32) -> TerminalOutput {
    program.start_on_terminal(80, 24).finish().exits(code)
}

#[test]
fn progress_bar_and_live_line_are_cleared_at_the_end() {
    let stack = Stack::deploy();
    let TerminalOutput { text: standing, transcript, .. } =
        on_terminal(stack.producer("-m 300 --rate 200"), 0);
    assert!(transcript.contains("━╸") && transcript.contains(" of 300 "), "{transcript}");
    assert!(!standing.contains("enqueuing") && standing.contains("300 messages enqueued"), "{standing}");

    let TerminalOutput { text: standing, transcript, .. } =
        on_terminal(stack.sender("-w 0.02 -c 10 --idle-timeout 2"), 0);
    assert!(transcript.contains("delivering ") && transcript.contains(" in flight"), "{transcript}");
    assert!(!standing.contains("delivering") && standing.contains("(queue empty)"), "{standing}");
}

#[test]
fn the_progress_of_an_enqueue_has_rate_and_time_left_and_does_not_wrap_on_20_columns() {
    let stack = Stack::deploy();
    let view = stack.producer("-m 500 --rate 80").start_on_terminal(20, 24);
    view.shows(" s left");
    let text = view.text();
    let drawn: Vec<&str> = text.lines().filter(|row| row.contains("/s") || row.contains("left")).collect();
    assert!(drawn.len() == 1 && drawn[0].contains("/s ") && drawn[0].chars().count() <= 20, "{text}");
    let left = view.finish().exits(0);
    assert!(!left.text.contains("left") && !left.text.contains("/s"), "{}", left.text);
}

#[test]
fn log_lines_do_not_mix_with_the_live_line() {
    let stack = Stack::deploy();
    stack.put_on_queue("no message of Stentor's");
    let TerminalOutput { text: standing, transcript, .. } =
        on_terminal(stack.sender("-v --idle-timeout 3"), 0);
    assert!(transcript.contains("delivering "), "{transcript}");
    let logged: Vec<&str> = standing.lines().filter(|line| line.contains("WARN")).collect();
    assert!(!logged.is_empty(), "{standing}");
    for line in logged {
        assert!(line.trim_start().starts_with("WARN"), "{line:?}");
        assert!(!line.contains("delivering"), "{line:?}");
    }
}

#[test]
fn pipes_and_quiet_terminals_get_no_progress_and_no_colour() {
    let stack = Stack::deploy();
    let in_a_pipe = |program: Program| {
        let ended = program.run().exits(0);
        format!("{}{}", ended.stdout, ended.stderr)
    };
    for text in [
        in_a_pipe(stack.producer("-m 60 --rate 100")),
        in_a_pipe(stack.sender("-w 0.02 -c 10 --idle-timeout 1")),
        on_terminal(stack.producer("-q -m 60 --rate 100"), 0).transcript,
        on_terminal(stack.sender("-q -w 0.02 -c 10 --idle-timeout 1"), 0).transcript,
    ] {
        assert!(!text.contains("delivering") && !text.contains("enqueuing"), "{text:?}");
        assert!(!text.contains(ESCAPE), "{text:?}");
    }
}

#[test]
fn colours_follow_the_environment_variables() {
    let built = ProgramPaths::get();
    // Variables, and whether output has colour in a pipe and on a terminal.
    let cases = [
        ("", false, true),
        ("NO_COLOR=1", false, false),
        ("CLICOLOR=0", false, false),
        ("CLICOLOR_FORCE=1", true, true),
        ("CLICOLOR_FORCE=1 NO_COLOR=1", false, false),
        ("TERM=dumb", false, false),
    ];
    for program in [&built.producer, &built.sender, &built.monitor] {
        for (variables, in_a_pipe, on_a_terminal) in cases {
            for (line, code) in [("--help", 0), ("--locl", 2), ("--region us-east-1", 1)] {
                let call = || {
                    let set = variables.split_whitespace().filter_map(|variable| variable.split_once('='));
                    set.fold(Program::new(program, line), |call, (name, value)| call.env(name, value))
                };
                let piped = call().run().exits(code);
                let text = format!("{}{}", piped.stdout, piped.stderr);
                assert_eq!(text.contains(ESCAPE), in_a_pipe, "{line} {variables} in a pipe: {text:?}");
                let shown = on_terminal(call(), code).transcript;
                assert_eq!(shown.contains(ESCAPE), on_a_terminal, "{line} {variables}: {shown:?}");
            }
        }
    }
}
