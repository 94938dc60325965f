
// The page: it listens to the monitor's events and shows the last one. Data are inserted as text only, never as
// markup.

const RETRY_MS = 1000;
// The monitor sends an event at least every ten seconds.
const SILENCE_MS = 25000;

const at = (id) => document.getElementById(id);

// The last update; the monitor's clock and when it was received; whether the page is connected.
let view = null;
let clock = { seconds: 0, heard: performance.now() };
let heard = performance.now();
let isCut = false;
// Content without a run.
const blank = at("main").cloneNode(true);
let source = null;

const now = () => clock.seconds + (performance.now() - clock.heard) / 1000;

function connect() {
  heard = performance.now();
  source = new EventSource("/events");
  source.addEventListener("clock", (event) => {
    heard = performance.now();
    clock = { seconds: Number(event.data), heard };
  });
  source.addEventListener("update", (event) => {
    heard = performance.now();
    isCut = false;
    const before = view;
    view = JSON.parse(event.data);
    if (before && before.run && !view.run) clear();
    show();
  });
  source.addEventListener("error", reconnect);
}

// A browser stops reconnecting after some errors, so a new stream is opened each time.
function reconnect() {
  source.close();
  isCut = true;
  showStanding();
  setTimeout(connect, RETRY_MS);
}

function tick() {
  if (source.readyState !== EventSource.CLOSED && performance.now() - heard > SILENCE_MS) reconnect();
  showStanding();
  showLeft();
}

function show() {
  showStanding();
  showLeft();
  const run = view.run;
  const { stack, region, endpoint } = view.place;
  say("run", run ? run.snapshot.run : "no run");
  say("place", `stack ${stack}, ${region} at ${endpoint.replace(/^[a-z]+:\/\//, "")}`);
  if (run) {
    showCounts(run.snapshot);
    showTimes(run.snapshot);
    showSenders(run.snapshot.senders);
  }
  showCharts();
}

// The run is gone, so its data are cleared.
function clear() {
  at("main").replaceChildren(...blank.cloneNode(true).childNodes);
  redrawn.disconnect();
  redrawn.observe(at("course"));
}

function say(id, text) {
  const node = at(id);
  if (node.textContent !== text) node.textContent = text;
}

const age = () => Math.max(Math.floor(now() - view.run.came_at), 0);

// The status of the run, or of the connection to the monitor.
function standing() {
  if (isCut) {
    const last = view && view.run ? `, last data ${count(age())} s old` : "";
    return { kind: "bad", word: "NO CONNECTION", why: `no connection to the monitor${last}; trying again` };
  }
  return view ? view.state : { kind: "waiting", word: "LOADING", why: "asking the monitor" };
}

function showStanding() {
  const { kind, word, why } = standing();
  if (at("badge").textContent !== word) {
    say("badge", word);
    at("badge").className = `badge ${kind}`;
    // Only then: announcing figures every second would hide all other announcements.
    say("spoken", `${word.toLowerCase()}: ${why}`);
  }
  say("why", why);
  document.body.classList.toggle("cut", isCut);
  if (!view) return;
  const every = `every ${view.every_seconds} s`;
  const old = view.run ? (age() < 1 ? "data now, " : `data ${count(age())} s old, `) : "";
  say("age", old + every);
  const run = view.run && view.run.snapshot;
  document.title = `${run ? `${percentDown(run.sent + run.failed, run.total)} ` : ""}${word} – Stentor`;
}

function showLeft() {
  const run = view && view.run;
  const left = run && run.snapshot.eta_seconds;
  const isShown = run && left !== null && run.goes_on && standing().kind === "good";
  say("left", isShown ? `${span(Math.max(left - (now() - run.came_at), 0))} left` : "");
}

function showCounts(run) {
  const done = run.sent + run.failed;
  say("done", percentDown(done, run.total));
  say("of", `${count(done)} of ${count(run.total)} messages`);
  at("bar-sent").style.width = `${(100 * run.sent) / run.total}%`;
  at("bar-failed").style.width = `${(100 * run.failed) / run.total}%`;
  at("bar").setAttribute("aria-valuenow", Math.floor((100 * done) / run.total));
  at("bar").setAttribute("aria-valuetext", `${count(run.sent)} sent and ${count(run.failed)} failed of ${count(run.total)}`);
  for (const name of ["sent", "failed", "pending"]) {
    say(name, count(run[name]));
    at(name).classList.toggle("long", run[name] >= 1e7);
    say(`${name}-share`, percent(run[name], run.total));
  }
  say("visible", count(run.queue.visible));
  say("in-flight", count(run.queue.in_flight));
  say("delayed", count(run.queue.delayed));
  say("enqueued", count(run.enqueued));
  say("total", count(run.total));
  say("dead", count(run.dead_letters));
  at("dead-row").classList.toggle("alarm", run.dead_letters > 0);
}

function showTimes(run) {
  const rows = [
    [run.average_seconds, run.delivery_seconds],
    [run.average_latency_seconds, run.latency_seconds],
  ];
  rows.forEach(([average, { p50, p90, p99, max }], row) => {
    [average, p50, p90, p99, max].forEach((time, column) => {
      at("times").rows[row].cells[column + 1].textContent = known(time, seconds);
    });
  });
  say("average", known(run.average_seconds, (time) => `${seconds(time)} s`));
}

function showSenders(senders) {
  say("senders-title", `Senders alive: ${count(senders.length)}`);
  at("no-senders").hidden = senders.length > 0;
  at("senders-table").hidden = senders.length === 0;
  at("senders").replaceChildren(...senders.map(senderRow));
}

function senderRow(sender) {
  const done = sender.sent + sender.failed;
  const row = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  name.className = "code";
  name.textContent = sender.sender;
  row.append(name);
  for (const [text, isWide] of [
    [known(sender.messages_per_second, rate)],
    [count(sender.sent), true],
    [count(sender.failed), true],
    [done === 0 ? "–" : percent(sender.failed, done)],
    [count(sender.duplicates)],
    [count(sender.concurrency), true],
    [`${Math.round(sender.seen_seconds_ago)} s ago`],
  ]) {
    const cell = document.createElement("td");
    cell.textContent = text;
    if (isWide) cell.className = "wide";
    row.append(cell);
  }
  return row;
}

function showCharts() {
  const run = view && view.run;
  drawCourse(at("course"), run ? run.course : { sent: [] });
  drawSpread(at("spread"), run ? run.spread : null);
  if (!run) return;
  const { course, spread, snapshot } = run;
  const peak = Math.max(...course.sent.map((sent, i) => sent + course.failed[i]), 0);
  say("rate", known(snapshot.messages_per_second, rate));
  say("peak", peak > 0 ? `peak ${rate(peak)}` : "");
  if (peak > 0) {
    const failed = percent(snapshot.failed, snapshot.sent + snapshot.failed);
    const summary = `${known(snapshot.messages_per_second, rate)} lately, ${rate(peak)} at most; ${failed} of them failed`;
    at("course").setAttribute("aria-label", `Messages a second over ${span(course.seconds)}: ${summary}`);
  }
  if (spread) {
    const { p50, p99 } = snapshot.delivery_seconds;
    const summary = `from ${span(spread.shortest)} to ${span(spread.longest)}, half within ${known(p50, seconds)} s, 99 of 100 within ${known(p99, seconds)} s`;
    at("spread").setAttribute("aria-label", `How long deliveries take: ${summary}`);
  }
}

// Redraw when the size changes.
const redrawn = new ResizeObserver(showCharts);
redrawn.observe(at("course"));
setInterval(tick, 500);
connect();
