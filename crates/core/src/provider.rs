//! The simulated SMS provider: what it allows, charges and rejects.

pub mod allowance;
#[cfg(feature = "profiles")]
pub mod builtin;
pub mod code;
pub mod parts;
pub mod profile;
pub mod rate_limit;
