//! What only a terminal gets: colours, a bar, a live line.

use stentor_tests::programs::Built;
use stentor_tests::{Left, Program, Stack};

const ESCAPE: char = '\u{1b}';

/// What it comes to on a terminal of 80 columns.
fn on_terminal(program: Program, code: i32) -> Left {
    program.start_on_terminal(80, 24).finish().exits(code)
}

#[test]
fn the_bar_and_the_live_line_are_for_a_terminal_and_gone_in_the_end() {
    let stack = Stack::deploy();
    let Left { text: standing, transcript, .. } = on_terminal(stack.producer("-m 300 --rate 200"), 0);
    assert!(transcript.contains("━╸") && transcript.contains(" of 300 "), "{transcript}");
    assert!(!standing.contains("enqueuing") && standing.contains("300 messages enqueued"), "{standing}");

    let Left { text: standing, transcript, .. } =
        on_terminal(stack.sender("-w 0.02 -c 10 --idle-timeout 2"), 0);
    assert!(transcript.contains("delivering ") && transcript.contains(" in flight"), "{transcript}");
    assert!(!standing.contains("delivering") && standing.contains("(queue empty)"), "{standing}");
}

#[test]
fn a_log_has_lines_of_its_own_beside_the_live_line() {
    let stack = Stack::deploy();
    stack.put_on_queue("no message of Stentor's");
    let Left { text: standing, transcript, .. } = on_terminal(stack.sender("-v --idle-timeout 3"), 0);
    assert!(transcript.contains("delivering "), "{transcript}");
    let logged: Vec<&str> = standing.lines().filter(|line| line.contains("WARN")).collect();
    assert!(!logged.is_empty(), "{standing}");
    for line in logged {
        assert!(line.trim_start().starts_with("WARN"), "{line:?}");
        assert!(!line.contains("delivering"), "{line:?}");
    }
}

#[test]
fn a_pipe_gets_neither_bar_nor_live_line_nor_colour_and_a_quiet_terminal_neither() {
    let stack = Stack::deploy();
    let in_a_pipe = |program: Program| {
        let ended = program.run().exits(0);
        format!("{}{}", ended.stdout, ended.stderr)
    };
    for told in [
        in_a_pipe(stack.producer("-m 60 --rate 100")),
        in_a_pipe(stack.sender("-w 0.02 -c 10 --idle-timeout 1")),
        on_terminal(stack.producer("-q -m 60 --rate 100"), 0).transcript,
        on_terminal(stack.sender("-q -w 0.02 -c 10 --idle-timeout 1"), 0).transcript,
    ] {
        assert!(!told.contains("delivering") && !told.contains("enqueuing"), "{told:?}");
        assert!(!told.contains(ESCAPE), "{told:?}");
    }
}

#[test]
fn colours_follow_the_variables_that_say_whether_there_shall_be_any() {
    let built = Built::once();
    // Variables, and whether there is colour in a pipe and on a terminal.
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
                let told = format!("{}{}", piped.stdout, piped.stderr);
                assert_eq!(told.contains(ESCAPE), in_a_pipe, "{line} {variables} in a pipe: {told:?}");
                let shown = on_terminal(call(), code).transcript;
                assert_eq!(shown.contains(ESCAPE), on_a_terminal, "{line} {variables}: {shown:?}");
            }
        }
    }
}
