"use strict";

// Numbers and times as a person reads them, in the words of the terminal's view.

const COUNT = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

const count = (number) => COUNT.format(number);

const rate = (perSecond) => (perSecond < 10 ? perSecond.toFixed(1) : count(perSecond));

const percent = (part, whole) => `${((100 * part) / Math.max(whole, 1)).toFixed(1)}%`;

// Rounded down: 100.0% is the whole.
const percentDown = (part, whole) => `${(Math.floor((1000 * part) / Math.max(whole, 1)) / 10).toFixed(1)}%`;

function span(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 120) return `${whole} s`;
  if (whole < 7200) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${count(Math.floor(whole / 3600))} h ${Math.floor((whole % 3600) / 60)} min`;
}

// What is not known is a dash.
const known = (value, words) => (value === null || value === undefined ? "–" : words(value));

// As many digits as fit into a narrow column.
function seconds(time) {
  if (time >= 999.95) return count(time);
  return time.toFixed(time < 9.9995 ? 3 : time < 99.995 ? 2 : 1);
}
