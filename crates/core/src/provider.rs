//! The simulated SMS provider: what it allows, charges and rejects.

pub mod code;
pub mod parts;
pub mod profile;
pub mod rate_limit;
