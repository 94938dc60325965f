//! The version that the programs print.

/// Version and commit, as in `0.1.0 (f5895719af81)`; without the commit outside a git checkout of Stentor.
pub const VERSION: &str = env!("STENTOR_VERSION");

/// Date of the commit, as in `2026-11-25`; empty without a commit.
pub const DATE: &str = env!("STENTOR_DATE");
