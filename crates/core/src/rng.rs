//! Reproducible chance: the same seed, purpose, message and try draw the same numbers on every
//! machine, in whatever order the messages come.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What the numbers are for, so that a text and a delivery of one seed are independent.
#[derive(Clone, Copy)]
pub(crate) enum RngStream {
    Message = 1,
    Delivery = 2,
}

/// The for_message of message `index` in its `attempt`-th try.
pub(crate) fn for_message(purpose: RngStream, seed: u64, index: u32, attempt: u32) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&index.to_le_bytes());
    key[12..16].copy_from_slice(&attempt.to_le_bytes());
    key[16] = purpose as u8;
    ChaCha8Rng::from_seed(key)
}
