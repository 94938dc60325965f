//! The version that the programs show. A package of its own, so that a new commit builds only this and what shows it
//! anew.

/// As in `0.1.0 (f5895719af81)`; without the commit where the programs were not built in a git checkout of Stentor.
pub const VERSION: &str = env!("STENTOR_VERSION");

/// The day of that commit, as in `2026-11-25`; empty where there is none.
pub const DATE: &str = env!("STENTOR_DATE");
