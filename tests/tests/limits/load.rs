//! How much the tests of this binary do at a time.

use std::sync::{Condvar, Mutex};

use stentor_tests::is_full;

/// Returns the load that two cores carry. A unit is about the CPU time of one message a second, from senders that are built for
/// tests. By default the same load starts as many processes for fewer messages, so the capacity is lower.
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
    /// Takes the small load of a test whose programs mostly wait.
    pub fn idle() -> Self {
        Self::take(IDLE)
    }

    /// Waits until the capacity has this much left beside the other tests.
    pub fn take(units: u32) -> Self {
        let used = USED.lock().unwrap();
        *RELEASED.wait_while(used, |used| *used + units > capacity()).unwrap() += units;
        Self(units)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        *USED.lock().unwrap() -= self.0;
        RELEASED.notify_all();
    }
}
