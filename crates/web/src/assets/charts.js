
// Charts as SVG, drawn in the available pixels.

const SVG = "http://www.w3.org/2000/svg";
const EDGE = { left: 52, right: 14, top: 8, bottom: 24 };

function shape(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// Steps of 1, 2 or 5 times a power of ten, about `about` of them up to `most`.
function steps(most, about) {
  const raw = most / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999) * power;
}

// Clears the SVG, and returns the chart's area and the conversion of fractions of its size to pixels.
function sheet(svg) {
  const { width, height } = svg.getBoundingClientRect();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.replaceChildren();
  const wide = Math.max(width - EDGE.left - EDGE.right, 1);
  const high = Math.max(height - EDGE.top - EDGE.bottom, 1);
  return {
    width,
    height,
    x: (share) => EDGE.left + share * wide,
    y: (share) => EDGE.top + (1 - share) * high,
  };
}

function nothingYet(svg, text = "no message has an outcome yet") {
  const { width, height } = sheet(svg);
  const attributes = { x: width / 2, y: height / 2, "text-anchor": "middle" };
  svg.append(shape("text", attributes, text));
}

// Grid lines and numbers of the vertical axis; returns the value at its top.
function upright(svg, room, highest) {
  // The axis has a scale even if all values are 0.
  const most = highest > 0 ? highest : 1;
  const step = steps(most, 3);
  const top = Math.ceil((most / step) * 0.999) * step;
  for (let value = 0; value <= top * 1.001; value += step) {
    const y = room.y(value / top);
    svg.append(
      shape("line", { x1: room.x(0), x2: room.x(1), y1: y, y2: y, class: value === 0 ? "ground" : "grid" }),
      shape("text", { x: room.x(0) - 8, y: y + 4, "text-anchor": "end" }, short(value)),
    );
  }
  return top;
}

function short(number) {
  if (number >= 1e6) return `${+(number / 1e6).toPrecision(3)}M`;
  if (number >= 1e4) return `${+(number / 1e3).toPrecision(3)}k`;
  return number >= 1000 ? count(number) : `${+number.toPrecision(3)}`;
}

// Minutes and hours are not decimal.
const LONG_STEPS = [60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];

function timeSteps(length, about) {
  const step = steps(length, about);
  return step < 60 ? step : LONG_STEPS.find((long) => long >= length / about) || Math.ceil(length / about / 86400) * 86400;
}

// Times below the ground line, from `first` to `last` seconds.
function along(svg, room, first, last) {
  const step = timeSteps(last - first, Math.max(room.width / 95, 2));
  for (let value = Math.ceil(first / step) * step; value <= last + step * 0.001; value += step) {
    const share = (value - first) / (last - first);
    const anchor = share > 0.97 ? "end" : share < 0.03 ? "start" : "middle";
    const place = { x: room.x(share), y: room.height - 6, "text-anchor": anchor };
    svg.append(shape("text", place, moment(value, step)));
  }
}

function moment(value, step) {
  if (step >= 3600) return `${value / 3600} h`;
  if (step >= 60) return `${value / 60} min`;
  return `${value.toFixed(Math.max(0, Math.ceil(-Math.log10(step) - 0.001)))} s`;
}

// The outline of columns from `floors` up to `tops`.
function outline(room, floors, tops, scale) {
  const last = tops.length;
  const up = tops.map((top, i) => `L${room.x(i / last)} ${room.y(top / scale)}L${room.x((i + 1) / last)} ${room.y(top / scale)}`);
  const down = floors.map((floor, i) => `L${room.x((i + 1) / last)} ${room.y(floor / scale)}L${room.x(i / last)} ${room.y(floor / scale)}`);
  return `M${room.x(0)} ${room.y(floors[0] / scale)}${up.join("")}${down.reverse().join("")}Z`;
}

// Messages per second over the run: failed ones at the bottom, hatched.
function drawCourse(svg, course) {
  if (course.sent.length === 0) return nothingYet(svg);
  const room = sheet(svg);
  const whole = course.sent.map((sent, i) => sent + course.failed[i]);
  const top = upright(svg, room, Math.max(...whole));
  const ground = whole.map(() => 0);
  svg.append(shape("path", { d: outline(room, course.failed, whole, top), class: "sent-area" }));
  if (course.failed.some((failed) => failed > 0)) {
    svg.append(shape("path", { d: outline(room, ground, course.failed, top), class: "failed-area" }));
  }
  along(svg, room, 0, course.seconds);
}

// Histogram of the delivery durations.
function drawSpread(svg, spread) {
  if (spread === null) return nothingYet(svg);
  const room = sheet(svg);
  const top = upright(svg, room, Math.max(...spread.counts));
  const bars = spread.counts.length;
  spread.counts.forEach((count, i) => {
    if (count === 0) return;
    const [left, right] = [room.x(i / bars), room.x((i + 1) / bars)];
    // A count above 0 has a visible column.
    const height = Math.max(room.y(0) - room.y(count / top), 1);
    const gap = right - left > 4 ? 1 : 0;
    const attributes = { x: left, y: room.y(0) - height, width: right - left - gap, height, class: "time-bar" };
    svg.append(shape("rect", attributes));
  });
  along(svg, room, spread.shortest, spread.longest);
}

// Share of the messages sent over the run, in percent, with a mark at each share that was reached.
function drawReached(svg, reached) {
  if (reached.shares.length === 0) return nothingYet(svg, "no message was sent yet");
  const room = sheet(svg);
  upright(svg, room, 100);
  const last = reached.shares.length;
  const line = reached.shares.map((share, i) => `L${room.x((i + 1) / last)} ${room.y(share)}`).join("");
  const d = `M${room.x(0)} ${room.y(0)}${line}L${room.x(1)} ${room.y(0)}Z`;
  svg.append(shape("path", { d, class: "sent-area" }));
  reached.marks.forEach(([name, seconds], i) => {
    const share = Math.min(seconds / reached.seconds, 1);
    const x = room.x(share);
    // Each name in a separate row, beside its line.
    const place = { x: share < 0.2 ? x + 4 : x - 4, y: room.y(1) + 12 + 15 * i, "text-anchor": share < 0.2 ? "start" : "end" };
    svg.append(shape("line", { x1: x, x2: x, y1: room.y(1), y2: room.y(0), class: "mark" }), shape("text", place, name));
  });
  along(svg, room, 0, reached.seconds);
}
