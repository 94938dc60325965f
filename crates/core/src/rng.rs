//! Reproducible random streams. The same seed, stream, message and attempt give the same numbers on every machine,
//! in any order of the messages.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a random stream is for. Each purpose has a separate stream, so a message and its delivery are independent.
#[derive(Clone, Copy)]
pub(crate) enum RngStream {
    Message = 1,
    Delivery = 2,
    Carrier = 3,
}

/// Creates the random generator of one attempt of message `index`; `attempt` is 0 where there are none.
pub(crate) fn for_message(stream: RngStream, seed: u64, index: u32, attempt: u32) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&index.to_le_bytes());
    key[12..16].copy_from_slice(&attempt.to_le_bytes());
    key[16] = stream as u8;
    ChaCha8Rng::from_seed(key)
}
