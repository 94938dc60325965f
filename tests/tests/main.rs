//! The programs as processes on an emulator. One test binary, so that all its tests share a few emulators and
//! wait side by side. Each test has a separate stack.

mod bad_input;
mod browser;
mod costs;
mod deaths;
mod emulators;
mod faults;
mod function;
mod hostile;
mod mapping;
mod monitor;
mod pauses;
mod policies;
mod rehearsal;
mod repair;
mod report;
mod runs;
mod service_faults;
mod setup;
mod terminal;
mod version;
mod view;
mod web;
