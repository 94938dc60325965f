//! The programs as processes on an emulator. One test binary, so that all its tests share a few emulators and
//! wait side by side. Each test has a separate stack.

mod bad_input;
mod browser;
mod clocks;
mod costs;
mod deaths;
mod deploy;
mod emulators;
mod faults;
mod function;
mod hostile;
mod jobs;
mod lagging;
mod mapping;
mod monitor;
mod networks;
mod pauses;
mod policies;
mod probe;
mod profiles;
mod rehearsal;
mod repair;
mod report;
mod reverse_proxy;
mod runs;
mod service_faults;
mod setup;
mod sign_in;
mod sign_in_faults;
mod sizes;
mod template;
mod terminal;
mod version;
mod view;
mod web;
mod zones;
