//! The version that the programs print, with the commit they were built from.

/// Version and commit, such as `0.1.0 (f5895719af81)`; no commit if it was not built in a git checkout of Stentor.
pub const VERSION: &str = env!("STENTOR_VERSION");

/// Date of that commit, such as `2026-11-25`; empty without a commit.
pub const DATE: &str = env!("STENTOR_DATE");
