//! The parts of the tests of whole programs that only tests need: fault injection, a browser, the setup script, the
//! soak, and the generated streams of [`stream`]. `stentor-test-support` has the rest.

mod browser;
pub mod proxy;
mod setup;
pub mod soak;
pub mod stream;

pub use browser::{Browser, Screen};
pub use proxy::Proxy;
pub use setup::Setup;
pub use stentor_test_support::*;
