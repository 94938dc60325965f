use super::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;
use stentor_aws::CredentialProvider;

/// The clock of tokio, which the tests pause.
#[derive(Debug, Clone, Copy)]
struct PausedClock(Instant);

impl TimeSource for PausedClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + self.0.elapsed()
    }
}

/// A chain whose loads take that time, and whose credentials are valid for an hour.
#[derive(Debug, Clone)]
struct Chain {
    clock: PausedClock,
    takes: Duration,
    loads: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
}

const LIFETIME: Duration = Duration::from_secs(3_600);

impl ProvideCredentials for Chain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.loads.fetch_add(1, Ordering::Relaxed);
            sleep(self.takes).await;
            if self.fails.load(Ordering::Relaxed) {
                return Err(CredentialsError::provider_error("signed out"));
            }
            Ok(self.credentials())
        })
    }
}

impl Chain {
    fn new(takes: u64) -> Self {
        let clock = PausedClock(Instant::now());
        let (loads, fails) = (Arc::default(), Arc::default());
        Self { clock, takes: Duration::from_secs(takes), loads, fails }
    }

    fn credentials(&self) -> Credentials {
        Credentials::new("AKIA", "secret", None, Some(self.clock.now() + LIFETIME), "test")
    }

    fn start(&self) -> Renewal {
        let source = CredentialSource {
            provider: CredentialProvider::Process,
            profile: None,
            name: "a process".to_owned(),
        };
        Renewal::start(source, SharedCredentialsProvider::new(self.clone()), self.credentials(), self.clock)
    }

    fn loads(&self) -> usize {
        self.loads.load(Ordering::Relaxed)
    }
}

async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn credentials_are_renewed_five_minutes_early_and_no_call_waits() {
    let chain = Chain::new(30);
    let renewal = chain.start();
    let provider = renewal.provider();
    sleep(Duration::from_millis(500)).await;
    for second in 0..2 * LIFETIME.as_secs() {
        let before = Instant::now();
        provider.provide_credentials().await.unwrap();
        assert_eq!(before.elapsed(), Duration::ZERO, "at {second} s");
        assert_eq!(
            chain.loads(),
            usize::from(second >= 3_300) + usize::from(second >= 6_630),
            "at {second} s"
        );
        pass(1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn no_call_ends_a_slow_load() {
    let chain = Chain::new(25);
    let renewal = chain.start();
    pass(10).await;
    renewal.reject(Instant::now());
    let provider = renewal.provider();
    let mut failures = 0;
    while let Err(failure) = provider.provide_credentials().await {
        assert_eq!(reason(&failure), "credentials from a process cannot be renewed: no answer within 10 s");
        failures += 1;
    }
    assert_eq!((failures, chain.loads()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_reported_and_retried_with_few_loads() {
    let chain = Chain::new(0);
    let renewal = chain.start();
    let provider = renewal.provider();
    chain.fails.store(true, Ordering::Relaxed);
    pass(LIFETIME.as_secs() + 1).await;
    assert!(renewal.is_failing());
    let until_expiry = chain.loads();
    assert!((1..=10).contains(&until_expiry), "{until_expiry} loads in five minutes");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(100) {
        let failure = provider.provide_credentials().await.unwrap_err();
        assert!(reason(&failure).ends_with("cannot be renewed: signed out"), "{}", reason(&failure));
    }
    assert!(chain.loads() - until_expiry <= 21, "{} loads in 100 s", chain.loads() - until_expiry);
    chain.fails.store(false, Ordering::Relaxed);
    provider.provide_credentials().await.unwrap();
    assert!(!renewal.is_failing());
}

#[tokio::test(start_paused = true)]
async fn rejected_credentials_are_loaded_again_once_in_five_seconds() {
    let chain = Chain::new(0);
    let renewal = chain.start();
    let provider = renewal.provider();
    for _ in 0..10 {
        renewal.reject(Instant::now());
        renewal.reject(Instant::now());
        assert!(renewal.is_failing(), "until they are renewed");
        provider.provide_credentials().await.unwrap();
        assert!(!renewal.is_failing());
    }
    assert_eq!((chain.loads(), chain.clock.0.elapsed().as_secs()), (10, 50));
}

#[tokio::test(start_paused = true)]
async fn a_late_rejection_of_an_old_request_does_not_reject_new_credentials() {
    let chain = Chain::new(0);
    let renewal = chain.start();
    let provider = renewal.provider();
    let sent_at = Instant::now();
    renewal.reject(sent_at);
    provider.provide_credentials().await.unwrap();
    renewal.reject(sent_at);
    assert!(!renewal.is_failing());
    let before = Instant::now();
    provider.provide_credentials().await.unwrap();
    assert_eq!((before.elapsed(), chain.loads()), (Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn credentials_that_seem_expired_are_used_until_aws_rejects_them() {
    let now = UNIX_EPOCH + LIFETIME;
    let expired = Credentials::new("AKIA", "secret", None, Some(UNIX_EPOCH), "test");
    let mut state = State::new(expired, now);
    assert!(state.is_valid(now));
    assert_eq!(state.delay(now), Some(RETRY_DELAY));
    state.is_rejected = true;
    assert!(!state.is_valid(now));
}
