//! How much the tests of this binary do at a time.

use std::sync::{Condvar, Mutex};

use stentor_tests::is_full;

/// Returns how many messages a second the senders of all tests deliver at a time: senders that are built for tests share two
/// cores with the emulator. By default a message takes more of them, since each test has a lower limit, for as many processes.
fn capacity() -> u32 {
    if is_full() { 420 } else { 240 }
}

/// The load of a test whose programs mostly wait.
const IDLE: u32 = 2;

/// The part of the capacity that a test uses.
pub struct Load(u32);

static USED: Mutex<u32> = Mutex::new(0);
static RELEASED: Condvar = Condvar::new();

impl Load {
    /// Waits until no other test runs.
    pub fn alone() -> Self {
        Self::take(capacity())
    }

    /// Waits while a test runs alone; for a test whose programs mostly wait.
    pub fn idle() -> Self {
        Self::take(IDLE)
    }

    /// Waits until this many messages a second can be delivered beside the other tests.
    pub fn take(messages: u32) -> Self {
        let used = USED.lock().unwrap();
        *RELEASED.wait_while(used, |used| *used + messages > capacity()).unwrap() += messages;
        Self(messages)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        *USED.lock().unwrap() -= self.0;
        RELEASED.notify_all();
    }
}
