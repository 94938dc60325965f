//! Programs at the limits of a provider, a table and a queue. They measure throughput, so this is a binary by itself.

mod load;
mod rate_limit;
mod stored;
mod throttling;
