// What any site of this kind has to stand: used by the tests of all examples.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);

export const launch = (...args) => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", ...args] });

/** Open a page; `faults` gathers what fails to load, and what the console complains of. */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("response", (response) => response.status() >= 400 && page.faults.push(`${response.status()} ${response.url()}`));
  page.on("requestfailed", (failed) => {
    const reason = failed.failure()?.errorText;
    if (reason !== "net::ERR_ABORTED") page.faults.push(`${reason} ${failed.url()}`); // a stream ends when its page is left
  });
  page.on("console", (message) => message.type() === "error" && page.faults.push(message.text()));
  page.on("pageerror", (error) => page.faults.push(String(error)));
  await page.addInitScript(() => {
    window.shift = 0;
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => (window.shift += entry.value))).observe({ type: "layout-shift", buffered: true });
  });
  page.stream = page.waitForResponse((response) => response.url().endsWith("/live")).catch(() => null); // of an article
  await page.goto(url, { waitUntil: "load" });
  return page;
}

/** Scroll through all of a page, so that everything in it is loaded. */
export async function readThrough(page) {
  await page.evaluate(async () => {
    for (let y = 0; y < document.body.scrollHeight; y += 300) {
      scrollTo(0, y);
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    }
  });
  await page.waitForLoadState("networkidle", { timeout: 3000 }).catch(() => undefined); // the live stream stays open
  await page.waitForFunction(() => [...document.images].every((image) => image.complete));
}

/** Read an article with everything in light and dark: nothing moves, is broken or loaded from elsewhere, or is hard to reach. */
export async function auditArticle(all, browser, path) {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open(browser, all.site + path, { colorScheme });
    await readThrough(page);
    await page.waitForFunction(() => document.querySelector("broadsheet-comments")?.shadowRoot?.querySelector("article"));
    assert.equal(await page.evaluate(() => window.shift), 0);
    assert.deepEqual(page.faults, []);
    const sources = await page.evaluate(() => [...document.querySelectorAll("[src], [srcset], [href]")].flatMap((each) => [each.src, each.currentSrc, each.href]).filter(Boolean));
    for (const source of new Set(sources)) assert.ok([all.site, all.api].includes(new URL(source).origin), source);
    await page.addScriptTag({ path: require.resolve("axe-core") });
    const { violations } = await page.evaluate(() => window.axe.run());
    const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
    assert.deepEqual(serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
    await page.context().close();
  }
}

/** The lines that readers see, also those inside of components, in order. */
const readLines = (page) =>
  page.evaluate(() => {
    const walk = (node) => {
      if (node instanceof Text) return [node.data];
      if (!(node instanceof Element) || ["SCRIPT", "STYLE"].includes(node.tagName) || !node.checkVisibility()) return [];
      const inline = getComputedStyle(node).display.startsWith("inline");
      const text = [...(node.shadowRoot ?? node).childNodes].flatMap(walk);
      return inline ? text : ["\n", ...text, "\n"];
    };
    return walk(document.querySelector("main")).join("").split("\n").map((line) => line.replace(/\s+/g, " ").trim()).filter(Boolean);
  });

/** Write a column between two others, with a disclaimer before and after its text: all its lines are there, in order. */
export async function auditLines(all, browser) {
  const disclaimer = "The opinions in this column are those of its author alone. This site gives no legal or medical advice.";
  const text = ["On Tuesday the weathercock of St Olave's was found to point at the town hall, whatever the wind.", "“It has a point,” said the verger.", "The church council meets on Friday. It will be windy."];
  const section = await all.edit("POST", "/v1/sections", { name: "Columns" });
  await all.edit("POST", "/v1/notices", { scope: "section", target_id: section.id, placement: "both", text: disclaimer });
  for (const [title, day, lines] of [["The bell that rang itself", 1, ["Once."]], ["WEATHERCOCK: what it really wants", 2, text], ["Why nobody looks up any more", 3, ["Because."]]]) {
    const body = { markdown: lines.join("\n\n") };
    const { id } = await all.edit("POST", "/v1/articles", { title, section: "columns", published_at: `2026-07-0${day}T06:00:00Z`, body });
    await all.edit("POST", `/v1/articles/${id}/publish`);
  }
  const page = await open(browser, all.site + "/columns/weathercock-what-it-really-wants");
  await readThrough(page);
  await page.waitForFunction(() => document.querySelector("broadsheet-comments")?.shadowRoot?.querySelector("textarea"));
  const lines = await readLines(page);
  const discussion = ["What do you think?", "Subscribe", "Notify of", "Guest", "0 comments", "Inline feedback", "View all comments"];
  const expected = ["Columns", "WEATHERCOCK: what it really wants", disclaimer, ...text, "Report", disclaimer, ...discussion, "The bell that rang itself", "Why nobody looks up any more"];
  let place = -1;
  for (const line of expected) assert.ok((place = lines.findIndex((each, at) => at > place && each.startsWith(line))) >= 0, `${line} is not in its place in\n${lines.join("\n")}`);
  await page.context().close();
}

/** Validate the structured data of an article and its breadcrumbs. */
export async function auditStructuredData(url) {
  const { structuredDataTest } = require("structured-data-testing-tool");
  const { Google } = require("structured-data-testing-tool/presets");
  const found = await structuredDataTest(await (await fetch(url)).text(), { presets: [Google], schemas: ["jsonld:NewsArticle", "jsonld:BreadcrumbList"] })
    .catch((error) => error.res ?? Promise.reject(error));
  assert.deepEqual(found.failed.map(({ test, description, error }) => ({ test, description, error })), []);
  assert.ok(found.passed.length > 10);
}

/** Let Lighthouse say what search engines may not like. */
export async function auditSearchEngines(urls) {
  const { default: lighthouse } = await import("lighthouse");
  const port = 9300 + (process.pid % 500);
  const visible = await launch(`--remote-debugging-port=${port}`);
  try {
    for (const url of urls) {
      const { lhr } = await lighthouse(url, { port, onlyCategories: ["seo"], logLevel: "error" });
      const failed = Object.values(lhr.audits).filter(({ score }) => score !== null && score < 1).map(({ id }) => id);
      assert.deepEqual([url, lhr.categories.seo.score, failed], [url, 1, []]);
    }
  } finally {
    await visible.close();
  }
}
