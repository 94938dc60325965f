//! The rules of SMS providers.

pub mod parts;
