// A browser controlled by a test: one JSON command per line on stdin, one JSON response per line on stdout.
//
//     node visitor.mjs OPTIONS
//
// OPTIONS is JSON for Playwright's `launch`: executablePath, and perhaps env, which extends the environment.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const { env, ...options } = JSON.parse(process.argv[2]);
const browser = await chromium.launch({ ...options, env: { ...process.env, ...env } });
let page;
// Console messages, errors, dialogs and requests to other hosts since the last `complaints` command.
let complaints = [];

const commands = {
  async open({ url, width, height, scheme }) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
    page = await context.newPage();
    const { origin } = new URL(url);
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
    page.on("dialog", (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on("request", (request) => {
      const asked = new URL(request.url());
      if (asked.protocol !== "data:" && asked.origin !== origin) complaints.push(`request: ${request.url()}`);
    });
    await page.goto(url, { waitUntil: "load" });
  },
  // Evaluates an expression on the page.
  async evaluate({ expression }) {
    return page.evaluate(expression);
  },
  // Finds accessibility violations and their impact.
  async audit() {
    // Through the debugger, since the page's content security policy blocks scripts.
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => window.axe.run());
    return violations.map(({ id, impact, help, nodes }) => ({ id, impact, help, at: nodes.map((node) => node.target.join(" ")) }));
  },
  async complaints() {
    const collected = complaints;
    complaints = [];
    return collected;
  },
  async screenshot({ path }) {
    await page.screenshot({ path });
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ answer: (await commands[command](rest)) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
await browser.close();
