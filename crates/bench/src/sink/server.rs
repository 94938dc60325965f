//! The way of a request: its latency, its call, its counts, its answer.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::answer::{Answer, Refusal};
use super::counts::{Operation, stretch};
use super::sqs::Which;
use super::{Shared, State, dynamodb, sqs};

const SQS: &str = "AmazonSQS";
const DYNAMODB: &str = "DynamoDB_20120810";

/// Serves connections until it is dropped.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No descriptor is free, most likely: one may be soon.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // An answer is two small writes, and the client waits for the second.
        let _ = stream.set_nodelay(true);
        shared.state().counts.connections += 1;
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| respond(Arc::clone(&shared), request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service);
        // A connection that breaks is its client's matter.
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn respond(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let came = Instant::now();
    let (head, body) = request.into_parts();
    let answer = match body.collect().await {
        Ok(body) => {
            let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
            let (service, operation) = target.and_then(|target| target.split_once('.')).unwrap_or_default();
            answer(&shared, service, operation, &body.to_bytes(), came).await
        }
        Err(error) => Answer::refusal("unread", &Refusal::validation(error.to_string())),
    };
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    if let Some(error) = answer.query_error.and_then(|error| HeaderValue::from_str(&error).ok()) {
        response.headers_mut().insert(HeaderName::from_static("x-amzn-query-error"), error);
    }
    Ok(response)
}

async fn answer(shared: &Shared, service: &str, operation: &str, body: &[u8], came: Instant) -> Answer {
    let latency = shared.latency_us.load(Ordering::Relaxed);
    if latency > 0 {
        tokio::time::sleep(Duration::from_micros(latency)).await;
    }
    if shared.throttles.load(Ordering::Relaxed) {
        let answer = throttled(service);
        shared.state().count(&answer, body, came);
        return answer;
    }
    match service {
        SQS if operation == "ReceiveMessage" => receive(shared, body, came).await,
        SQS => {
            let mut state = shared.state();
            let done = sqs::call(&mut state.queues, operation, body, Instant::now());
            let now = state.count(&done.answer, body, came);
            if done.deleted > 0 {
                stretch(&mut state.counts.sending, now, now);
            }
            if let Some((which, messages)) = done.visible {
                if done.answer.operation.starts_with("Send") {
                    stretch(&mut state.counts.producing, now, now);
                }
                drop(state);
                // Each receive takes up to ten, and wakes the next where it leaves some.
                for _ in 0..messages.div_ceil(10) {
                    shared.arrivals[which as usize].notify_one();
                }
            }
            done.answer
        }
        DYNAMODB => {
            let mut state = shared.state();
            let answer = dynamodb::call(&mut state.tables, operation, body);
            state.count(&answer, body, came);
            answer
        }
        _ => {
            let answer = Answer::refusal("unknown", &Refusal::validation("no target that is known here"));
            shared.state().count(&answer, body, came);
            answer
        }
    }
}

/// Takes messages, or waits for some as long as it was told.
async fn receive(shared: &Shared, body: &[u8], came: Instant) -> Answer {
    let wish = {
        let mut state = shared.state();
        match sqs::wish(&state.queues, body, Instant::now()) {
            Ok(wish) => wish,
            Err(refusal) => {
                let answer = sqs::refusal("ReceiveMessage", &refusal);
                state.count(&answer, body, came);
                return answer;
            }
        }
    };
    let arrivals = &shared.arrivals[wish.which as usize];
    loop {
        let mut arrived = std::pin::pin!(arrivals.notified());
        arrived.as_mut().enable();
        let wake = {
            let mut state = shared.state();
            let state = &mut *state;
            let now = Instant::now();
            let answer = sqs::receive(&mut state.queues, &wish, now);
            if answer.entries > 0 || now >= wish.until {
                let now = state.count(&answer, body, came);
                if answer.entries > 0 {
                    if wish.which == Which::Main {
                        stretch(&mut state.counts.sending, now, now);
                    }
                    let queue = match wish.which {
                        Which::Main => &mut state.queues.main,
                        Which::DeadLetters => &mut state.queues.dead_letters,
                    };
                    if queue.backlog(now).0 > 0 {
                        arrivals.notify_one();
                    }
                }
                return answer;
            }
            let queue = match wish.which {
                Which::Main => &state.queues.main,
                Which::DeadLetters => &state.queues.dead_letters,
            };
            queue.next_return().map_or(wish.until, |back| back.min(wish.until))
        };
        tokio::select! {
            () = arrived => {}
            () = tokio::time::sleep_until(wake.into()) => {}
        }
    }
}

/// What a service says that is asked too much, each in its words.
fn throttled(service: &str) -> Answer {
    let words = "Rate exceeded: slow down.";
    if service == SQS {
        let mut refusal = Refusal::new("com.amazonaws.sqs#RequestThrottled", words);
        refusal.status = 403;
        return sqs::refusal("throttled", &refusal);
    }
    let code = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
    Answer::refusal("throttled", &Refusal::new(code, words))
}

impl State {
    /// Counts a call that is about to be answered, and returns when that is.
    fn count(&mut self, answer: &Answer, body: &[u8], came: Instant) -> Instant {
        let now = Instant::now();
        let call = Operation {
            requests: 1,
            entries: answer.entries,
            refused: answer.refused,
            bytes_in: body.len() as u64,
            bytes_out: answer.body.len() as u64,
        };
        self.counts.call(answer.operation, came, now, call);
        self.counts.write_units += answer.write_units;
        self.counts.read_units += answer.read_units;
        self.counts.conclusion_lags.add(answer.lags);
        now
    }
}
