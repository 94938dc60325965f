//! Support for tests of whole programs: fault injection, a browser, the setup script, the soak test, and the
//! generated streams of [`stream`]. What measurements need too is in `stentor-test-support`.

mod browser;
mod canned_aws;
pub mod on_fake;
pub mod proxy;
mod setup;
pub mod soak;
pub mod stream;

pub use browser::{Browser, Screen};
pub use canned_aws::{CannedAws, CannedService};
pub use proxy::Proxy;
pub use setup::Setup;
pub use stentor_test_support::*;
