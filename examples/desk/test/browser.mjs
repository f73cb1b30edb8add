// Browsers with the desk, and what every view must pass.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { ROOT } from "./servers.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PICTURES = join(ROOT, "build/desk");
let browser;

export async function launch() {
  mkdirSync(PICTURES, { recursive: true });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--disable-gpu", "--no-sandbox"],
  });
}

export const close = () => browser?.close();

/** Open the desk in a browser of its own; any error in it fails the test, except of requests that may be refused. */
export async function open(t, desk, { mayRefuse = false, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => {
    const isRefusal = mayRefuse && message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !isRefusal) errors.push(message.text());
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(errors, []);
  });
  await page.goto(desk);
  return page;
}

export async function signInWithKey(page, key) {
  await page.getByText("Use an API key").click();
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Use the key" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

/** Check a view: its texts, as axe does, light and dark, and that it fits a telephone; take its pictures. */
export async function audit(page, name) {
  assert.doesNotMatch(await page.innerText("body"), /\b(true|false|undefined|null|NaN)\b|\[object/, name);
  for (const colorScheme of ["dark", "light"]) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await page.evaluate(`${AXE}; axe.run({ resultTypes: ["violations"], iframes: false })`);
    const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
    const found = serious.map(({ id, nodes }) => [id, nodes[0].html]);
    assert.deepEqual(found, [], `${name}, ${colorScheme}`);
    await page.screenshot({ path: join(PICTURES, `${name}-${colorScheme}.png`) });
  }
  const size = page.viewportSize();
  await page.setViewportSize({ width: 390, height: 844 });
  const width = await page.evaluate("document.documentElement.scrollWidth");
  await page.screenshot({ path: join(PICTURES, `${name}-390.png`) });
  assert.ok(width <= 390, `${name} is ${width} pixels wide on a telephone`);
  await page.setViewportSize(size);
}

/** Repeat a request until it gives something. */
export async function until(request) {
  for (const end = Date.now() + 30_000; Date.now() < end; ) {
    const answer = await request();
    if (answer) return answer;
  }
  throw new Error("What was waited for does not come");
}
