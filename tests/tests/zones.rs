//! Times are local on a terminal, with their offset, and UTC in JSON.

use stentor_tests::Stack;

/// A time zone as a POSIX rule, which is valid without the time zone database of the machine.
const ZONE: &str = "ZONE-5:30";

#[test]
fn times_are_local_as_text_and_utc_in_json() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 5");
    let monitor = |line: &str| stack.monitor(line).env("TZ", ZONE);
    let line = monitor("--once --plain").run().exits(0).stdout;
    assert_eq!(line.find("+05:30  sent"), Some("00:00:00".len()), "{line}");
    let list = monitor("runs").run().exits(0).stdout;
    let row = list.lines().find(|row| row.starts_with(&run)).expect("the run is in the list");
    assert!(row.contains("+05:30 "), "{list}");
    for (line, name) in [("--once --json", "at"), ("runs --json", "started")] {
        let json = monitor(line).run().exits(0).json();
        assert!(json[name].as_str().is_some_and(|at| at.ends_with('Z')), "{json}");
    }
    let mut view = monitor("-t 1").start_on_terminal(100, 30);
    view.shows("of 5");
    view.press("r");
    view.shows("+05:30");
}
