//! How much the tests of this binary do at a time.

use std::sync::{Condvar, Mutex};

/// Messages a second that the senders of all tests deliver at a time: senders that are built for tests share two cores with
/// the emulator.
pub const CAPACITY: u32 = 320;

/// The part of the capacity that a test uses.
pub struct Load(u32);

static USED: Mutex<u32> = Mutex::new(0);
static RELEASED: Condvar = Condvar::new();

impl Load {
    /// Waits until this many messages a second can be delivered beside the other tests.
    pub fn take(messages: u32) -> Self {
        let used = USED.lock().unwrap();
        *RELEASED.wait_while(used, |used| *used + messages > CAPACITY).unwrap() += messages;
        Self(messages)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        *USED.lock().unwrap() -= self.0;
        RELEASED.notify_all();
    }
}
