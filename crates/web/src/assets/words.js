"use strict";

// Numbers and times that change between two updates, as a person reads them; every other text comes with the update.

const COUNT = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

const count = (number) => COUNT.format(number);

function span(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 120) return `${whole} s`;
  if (whole < 7200) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${count(Math.floor(whole / 3600))} h ${Math.floor((whole % 3600) / 60)} min`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  timeZoneName: "longOffset",
});

// The time of day in the browser's zone, with its offset, of a timestamp in RFC 3339.
function timeOfDay(timestamp) {
  const ms = Date.parse(timestamp);
  return Number.isNaN(ms) ? "–" : CLOCK.format(ms);
}
