//! The quick benchmark for every change: the requests per message, which do not depend on noise.

use std::process::Command;

#[test]
fn a_message_takes_no_more_requests_than_its_goals_allow() {
    let quick = Command::new(env!("CARGO_BIN_EXE_stentor-bench")).arg("--quick").output().expect("it starts");
    let (table, said) = (String::from_utf8_lossy(&quick.stdout), String::from_utf8_lossy(&quick.stderr));
    assert!(quick.status.success(), "{table}\n{said}");
    assert_eq!(
        table.matches(" met").count(),
        2,
        "one figure of the producer and one of the sender:\n{table}"
    );
}
