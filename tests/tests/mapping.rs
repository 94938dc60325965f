//! From the stream to the monitor: the compiled function, invoked by the emulator's event source mapping.

use stentor_tests::{Stack, wait_until};

/// Enqueues a run and delivers its messages; returns the run once the sender has exited.
fn concluded(stack: &Stack, messages: u64) -> String {
    let run = stack.produce(&format!("-m {messages}"));
    stack.sender("-w 0 -f 0.2 -c 10 --idle-timeout 1").run().exits(0);
    run
}

/// Asserts that each message of the run is counted once.
#[track_caller]
fn assert_counted_once(stack: &Stack, run: &str) {
    stack.counted_once(run);
    stack.monitor(&format!("audit --run {run}")).run().exits(0);
}

#[test]
fn tallies_come_from_the_mapping_and_the_compiled_function() {
    let stack = Stack::deploy();
    let counted = concluded(&stack, 20);
    assert_counted_once(&stack, &counted);
    wait_until("the function has logged an invocation", || stack.function_log().contains("REPORT RequestId"));

    stack.enable_mapping(false);
    let run = concluded(&stack, 30);
    assert_eq!(stack.count(&run).pending, 0, "some messages in the table are pending");
    let snapshot = stack.snapshot(&run);
    assert_eq!((snapshot["sent"].as_u64(), snapshot["failed"].as_u64()), (Some(0), Some(0)), "{snapshot}");

    stack.enable_mapping(true);
    assert_counted_once(&stack, &run);
}

#[test]
fn a_function_that_fails_and_recovers_counts_each_message_once() {
    let stack = Stack::deploy();
    let before = concluded(&stack, 25);
    assert_counted_once(&stack, &before);
    stack.configure_function("nowhere-metrics");
    let run = concluded(&stack, 60);
    wait_until("the function has failed", || stack.function_log().contains("Lambda repeats the batch"));
    let snapshot = stack.snapshot(&run);
    assert_eq!((snapshot["sent"].as_u64(), snapshot["failed"].as_u64()), (Some(0), Some(0)), "{snapshot}");
    stack.configure_function(&format!("{}-metrics", stack.name()));
    assert_counted_once(&stack, &run);
    assert_counted_once(&stack, &before);
}

#[test]
fn a_stream_repeated_from_its_start_counts_each_message_once() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 200");
    let sender = stack.sender("-w 0.05 -f 0.2 -c 4 --idle-timeout 1").start();
    for milestone in [20, 60, 100] {
        wait_until("the run progresses", || {
            let snapshot = stack.snapshot(&run);
            snapshot["sent"].as_u64().unwrap() + snapshot["failed"].as_u64().unwrap() > milestone
        });
        // LocalStack delivers the whole stream again after this, in larger batches.
        stack.enable_mapping(false);
        stack.enable_mapping(true);
    }
    sender.finish().exits(0);
    assert_counted_once(&stack, &run);
}
