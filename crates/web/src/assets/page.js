
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
  source = new EventSource("events");
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
  say("warning", (run && run.warning) || "");
  say("read", run ? `Read at ${timeOfDay(run.snapshot.at)}.` : "");
  if (run) {
    showFigures(run);
    say("codes", run.failures || "");
    say("reached-text", run.reached.text || "");
    showSenders(run.senders);
  }
  showCharts();
}

// The run is gone, so its data are cleared.
function clear() {
  at("main").replaceChildren(...blank.cloneNode(true).childNodes);
  redrawn.disconnect();
  redrawn.observe(at("course"));
}

const say = (id, text) => put(at(id), text);

function put(node, text) {
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
  document.title = `${view.run ? `${view.run.done} ` : ""}${word} – Stentor`;
}

function showLeft() {
  const run = view && view.run;
  const left = run && run.snapshot.eta_seconds;
  const isShown = run && left !== null && run.goes_on && standing().kind === "good";
  say("left", isShown ? `${span(Math.max(left - (now() - run.came_at), 0))} left` : "");
}

// Places the text of each figure in the elements that name it.
function showFigures({ snapshot, texts, done }) {
  for (const node of document.querySelectorAll("[data-figure]")) put(node, texts[node.dataset.figure]);
  const { sent, failed, total } = snapshot;
  say("done", done);
  say("of", `${count(sent + failed)} of ${texts.total} message${total === 1 ? "" : "s"}`);
  at("bar-sent").style.width = `${(100 * sent) / total}%`;
  at("bar-failed").style.width = `${(100 * failed) / total}%`;
  at("bar").setAttribute("aria-valuenow", Math.floor((100 * (sent + failed)) / total));
  at("bar").setAttribute("aria-valuetext", `${texts.sent} sent and ${texts.failed} failed of ${texts.total}`);
  for (const name of ["sent", "failed", "pending"]) at(name).classList.toggle("long", snapshot[name] >= 1e7);
  const { profile } = snapshot.provider;
  at("provider").hidden = profile === null;
  say("provider-title", `Provider ${profile ?? ""}`);
  at("dead-row").classList.toggle("alarm", snapshot.dead_letters > 0);
}

function showSenders({ heads, rows }) {
  say("senders-title", `Senders alive: ${count(rows.length)}`);
  at("no-senders").hidden = rows.length > 0;
  at("senders-table").hidden = rows.length === 0;
  at("senders-heads").replaceChildren(...["sender", ...heads].map((text, column) => headCell(text, "col", column)));
  at("senders").replaceChildren(...rows.map(senderRow));
}

// Columns that are left out on a narrow screen.
const WIDE = [2, 3, 6];

function cell(kind, text, column) {
  const node = document.createElement(kind);
  node.textContent = text;
  node.classList.toggle("wide", WIDE.includes(column));
  return node;
}

function headCell(text, scope, column) {
  const node = cell("th", text, column);
  node.scope = scope;
  return node;
}

function senderRow([name, ...texts]) {
  const row = document.createElement("tr");
  const head = headCell(name, "row", 0);
  head.classList.add("code");
  row.append(head, ...texts.map((text, i) => cell("td", text, i + 1)));
  return row;
}

function showCharts() {
  const run = view && view.run;
  drawCourse(at("course"), run ? run.course : { sent: [] });
  drawReached(at("reached"), run ? run.reached : { shares: [] });
  drawSpread(at("spread"), run ? run.spread : null);
  if (!run) return;
  const { course, reached, spread } = run;
  if (reached.shares.length > 0) at("reached").setAttribute("aria-label", reached.label);
  const hasPeak = course.sent.some((sent, i) => sent + course.failed[i] > 0);
  say("peak", hasPeak ? `peak ${course.peak}` : "");
  if (hasPeak) at("course").setAttribute("aria-label", course.label);
  if (spread) at("spread").setAttribute("aria-label", spread.label);
}

// Redraw when the size changes.
const redrawn = new ResizeObserver(showCharts);
redrawn.observe(at("course"));
setInterval(tick, 500);
connect();
