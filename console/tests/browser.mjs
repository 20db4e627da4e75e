// A real browser for the tests that drive the console: how it starts, signs in, waits, and what it complains of.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const { CONSOLE_USER, CHROMIUM } = process.env;
export const PATIENCE_MS = 30_000;
export const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

/** Polls in the page: the CSP forbids the string evaluation that waitForFunction needs. */
export async function until(page, what, look, argument) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const seen = await page.evaluate(look, argument);
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`waited ${PATIENCE_MS / 1000} s in vain for: ${what}`);
    await page.waitForTimeout(100);
  }
}

/** Whatever the browser complains of is a fault, but for the answers that the steps provoke (`expected`). */
export const listener = (faults, expected = /status of 401/) => (page) => {
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() !== "error" || expected.test(message.text())) return;
    faults.push(`console: ${message.text()}`);
  });
};

/** Has the browser say what the content security policy forbade. */
export const told = (context) =>
  context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
  });

export async function signIn(page, password, name = CONSOLE_USER) {
  await page.getByRole("textbox").first().fill(name);
  await page.locator("input[type=password]").fill(password);
  await page.locator("button[type=submit]").click();
}

export async function withBrowser(flags, act, options = {}) {
  const home = await mkdtemp(join(tmpdir(), "console-"));
  const context = await chromium.launchPersistentContext(home, {
    executablePath: CHROMIUM, headless: true, args: flags, viewport: { width: 1366, height: 768 }, locale: "zh-CN", ...options,
  });
  try {
    await act(context);
  } finally {
    await context.close();
    await rm(home, { recursive: true, force: true });
  }
}
