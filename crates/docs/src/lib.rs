//! Completions and man pages of Stentor's programs, made from the very definitions that the programs read their
//! command lines by.
