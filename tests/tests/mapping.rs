//! The way from the stream to the monitor: the compiled function, fed by the emulator's own event source mapping.

use stentor_tests::{Stack, wait_until};

/// A run, its messages concluded by a sender that has ended.
fn concluded(stack: &Stack, messages: u64) -> String {
    let run = stack.produce(&format!("-m {messages}"));
    stack.sender("-w 0 -f 0.2 -c 10 --idle-timeout 1").run().exits(0);
    run
}

/// Each message of the run is counted once.
#[track_caller]
fn assert_counted_once(stack: &Stack, run: &str) {
    stack.counted_once(run);
    stack.monitor(&format!("audit --run {run}")).run().exits(0);
}

#[test]
fn what_the_monitor_counts_comes_by_the_mapping_and_the_compiled_function() {
    let stack = Stack::deploy();
    let counted = concluded(&stack, 20);
    assert_counted_once(&stack, &counted);
    wait_until("the function has logged it", || stack.function_log().contains("REPORT RequestId"));

    stack.enable_mapping(false);
    let run = concluded(&stack, 30);
    assert_eq!(stack.count(&run).pending, 0, "the table knows of all of them");
    let snapshot = stack.snapshot(&run);
    assert_eq!((snapshot["sent"].as_u64(), snapshot["failed"].as_u64()), (Some(0), Some(0)), "{snapshot}");

    stack.enable_mapping(true);
    assert_counted_once(&stack, &run);
}

#[test]
fn a_function_that_fails_and_is_mended_counts_each_message_once() {
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
fn a_stream_delivered_again_from_its_start_counts_nothing_twice() {
    let stack = Stack::deploy();
    let run = stack.produce("-m 200");
    let sender = stack.sender("-w 0.05 -f 0.2 -c 4 --idle-timeout 1").start();
    for milestone in [20, 60, 100] {
        wait_until("the run goes on", || {
            let snapshot = stack.snapshot(&run);
            snapshot["sent"].as_u64().unwrap() + snapshot["failed"].as_u64().unwrap() > milestone
        });
        // LocalStack delivers all of the stream again after this, in bigger batches.
        stack.enable_mapping(false);
        stack.enable_mapping(true);
    }
    sender.finish().exits(0);
    assert_counted_once(&stack, &run);
}
