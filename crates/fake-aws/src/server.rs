//! From a request to its response: latency, faults, the call itself and the statistics.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};

use crate::faults::{self, Fault, Kill, SILENCE};
use crate::http::{CloseConnection, Handler, HttpRequest, HttpResponse};
use crate::response::{Response, ServiceError};
use crate::stats::OperationStats;
use crate::{Shared, State, dynamodb, sqs};

const SQS: &str = "AmazonSQS";
const DYNAMODB: &str = "DynamoDB_20120810";

/// What happens to a call to DynamoDB.
enum Reply {
    Respond(Response),
    RespondAfter(Duration, Response),
    /// Closes the connection, after the end of a process where one is to be killed.
    Close(Option<Kill>),
}

impl Handler for Shared {
    fn on_connect(&self) {
        self.state().stats.connections += 1;
    }

    async fn handle(&self, request: HttpRequest) -> Result<HttpResponse, CloseConnection> {
        let received = Instant::now();
        let latency = self.latency_us.load(Ordering::Relaxed);
        if latency > 0 {
            tokio::time::sleep(Duration::from_micros(latency)).await;
        }
        let header = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
        let target = header(HeaderName::from_static("x-amz-target")).unwrap_or_default();
        let (service, operation) = target.split_once('.').unwrap_or_default();
        let body = request.body();
        let response = match service {
            _ if self.throttles.load(Ordering::Relaxed) => {
                let response = if service == SQS { sqs::throttled() } else { faults::throttled() };
                self.state().count(&response, received);
                response
            }
            SQS if !self.state().queues.admits(operation) => {
                let response = sqs::rate_exceeded(operation, body);
                self.state().count(&response, received);
                response
            }
            SQS if operation == "ReceiveMessage" => self.receive(body, received).await,
            SQS => self.call_sqs(operation, body, received),
            DYNAMODB => {
                let authorization = header(AUTHORIZATION).unwrap_or_default();
                match self.call_dynamodb(operation, body, authorization, received) {
                    Reply::Respond(response) => response,
                    Reply::RespondAfter(silence, response) => {
                        tokio::time::sleep(silence).await;
                        response
                    }
                    Reply::Close(kill) => {
                        if let Some(kill) = kill {
                            // Waits for the exit of a process.
                            let _ = tokio::task::spawn_blocking(move || kill()).await;
                        }
                        return Err(CloseConnection);
                    }
                }
            }
            _ => {
                let response = Response::error("unknown", &ServiceError::validation("unknown X-Amz-Target"));
                self.state().count(&response, received);
                response
            }
        };
        Ok(http_response(response))
    }
}

fn http_response(response: Response) -> HttpResponse {
    let mut http = HttpResponse::new(Full::new(Bytes::from(response.body)));
    *http.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::BAD_REQUEST);
    http.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    if let Some(error) = response.query_error.and_then(|error| HeaderValue::from_str(&error).ok()) {
        http.headers_mut().insert(HeaderName::from_static("x-amzn-query-error"), error);
    }
    http
}

impl Shared {
    fn call_sqs(&self, operation: &str, body: &[u8], received: Instant) -> Response {
        let mut state = self.state();
        let result = sqs::call(&mut state.queues, operation, body, Instant::now());
        let now = state.count(&result.response, received);
        if result.deleted > 0 {
            state.stats.add_received(now);
        }
        if let Some((queue, messages)) = result.visible {
            if result.response.operation.starts_with("Send") {
                state.stats.add_sent(now);
            }
            drop(state);
            // Each receive takes up to ten, and wakes the next one if messages remain.
            for _ in 0..messages.div_ceil(10) {
                self.arrivals[queue as usize].notify_one();
            }
        }
        result.response
    }

    /// Receives messages, or waits for some as long as the call allows.
    async fn receive(&self, body: &[u8], received: Instant) -> Response {
        let request = {
            let mut state = self.state();
            match sqs::receive_request(&state.queues, body, Instant::now()) {
                Ok(request) => request,
                Err(error) => {
                    let response = sqs::error("ReceiveMessage", &error);
                    state.count(&response, received);
                    return response;
                }
            }
        };
        let arrivals = &self.arrivals[request.queue as usize];
        loop {
            let mut arrived = std::pin::pin!(arrivals.notified());
            arrived.as_mut().enable();
            let wake = {
                let mut state = self.state();
                let now = Instant::now();
                let response = sqs::receive(&mut state.queues, &request, now);
                if response.entries > 0 || now >= request.until {
                    let now = state.count(&response, received);
                    if response.entries > 0 {
                        if request.queue == sqs::QueueKind::Main {
                            state.stats.add_received(now);
                        }
                        if state.queues.get(request.queue).backlog(now).0 > 0 {
                            arrivals.notify_one();
                        }
                    }
                    return response;
                }
                let expiry = state.queues.get(request.queue).next_expiry();
                expiry.map_or(request.until, |expiry| expiry.min(request.until))
            };
            tokio::select! {
                () = arrived => {}
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }

    fn call_dynamodb(&self, operation: &str, body: &[u8], authorization: &str, received: Instant) -> Reply {
        let mut state = self.state();
        if let Err(violation) = state.check(operation, body) {
            let response = Response::error("violation", &ServiceError::validation(violation));
            state.count(&response, received);
            return Reply::Respond(response);
        }
        for (operation, body) in state.faults.take_due() {
            state.carry_out(&operation, &body, received);
        }
        let kill_of_caller = |callers: &HashMap<String, Kill>| {
            let (_, credential) = authorization.split_once("Credential=")?;
            callers.get(credential.split('/').next()?).cloned()
        };
        match state.faults.next.pop_front().unwrap_or(Fault::None) {
            Fault::None => Reply::Respond(state.carry_out(operation, body, received)),
            Fault::Silent => Reply::RespondAfter(SILENCE, state.carry_out(operation, body, received)),
            Fault::Throttled => Reply::Respond(faults::throttled()),
            Fault::Failed(status) => Reply::Respond(faults::failed(status)),
            Fault::Refused => Reply::Respond(faults::denied()),
            Fault::LostBefore => Reply::Close(None),
            Fault::LostAfter => {
                state.carry_out(operation, body, received);
                Reply::Close(None)
            }
            Fault::Late(calls) => {
                state.faults.add_late(calls, operation, body);
                Reply::Close(None)
            }
            Fault::KillBefore => Reply::Close(kill_of_caller(&state.faults.callers)),
            Fault::KillAfter => {
                state.carry_out(operation, body, received);
                Reply::Close(kill_of_caller(&state.faults.callers))
            }
        }
    }
}

impl State {
    /// Applies the test's own check to a call.
    fn check(&self, operation: &str, body: &[u8]) -> Result<(), String> {
        let Some(check) = self.call_check else { return Ok(()) };
        let input = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        check(operation, &input)
    }

    pub(crate) fn carry_out(&mut self, operation: &str, body: &[u8], received: Instant) -> Response {
        let response = dynamodb::call(&mut self.tables, operation, body);
        self.count(&response, received);
        response
    }

    /// Adds a call to the statistics, and returns the time of its response.
    fn count(&mut self, response: &Response, received: Instant) -> Instant {
        let now = Instant::now();
        let Response { entries, failed, throttled, .. } = *response;
        let call = OperationStats { requests: 1, entries, failed, throttled };
        self.stats.add_call(response.operation, received, now, call);
        self.stats.write_units += response.write_units;
        self.stats.read_units += response.read_units;
        self.stats.outcome_lag.add(response.outcome_lag);
        self.violations.extend(response.violation.clone());
        now
    }
}
