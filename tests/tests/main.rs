//! The programs as processes on an emulator. One test binary, so that all its tests share a few emulators and
//! wait side by side. Each test has a separate stack.

mod bad_input;
mod browser;
mod clocks;
mod costs;
mod deaths;
mod emulators;
mod faults;
mod function;
mod hostile;
mod jobs;
mod mapping;
mod monitor;
mod networks;
mod pauses;
mod policies;
mod profiles;
mod rehearsal;
mod repair;
mod report;
mod reverse_proxy;
mod runs;
mod service_faults;
mod setup;
mod sizes;
mod template;
mod terminal;
mod version;
mod view;
mod web;
mod zones;
