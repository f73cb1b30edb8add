// The site in Chromium, beside the API with the sample publication.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { startAll } from "./servers.mjs";

const require = createRequire(import.meta.url);
const RICH = "/culture/what-the-lighthouse-writes-down"; // pictures, a table, headings, quotes, passages, replies
const MAX_BROTLI = 12_000;
let all, browser;

before(async () => {
  all = await startAll();
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
});
after(async () => {
  await browser?.close();
  await all?.stop();
});

/** Open a page; `faults` gathers what fails to load, and what the console complains of. */
async function open(path, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
  const page = await context.newPage();
  page.faults = [];
  page.on("response", (response) => response.status() >= 400 && page.faults.push(`${response.status()} ${response.url()}`));
  page.on("requestfailed", (failed) => page.faults.push(`${failed.failure()?.errorText} ${failed.url()}`));
  page.on("console", (message) => message.type() === "error" && page.faults.push(message.text()));
  page.on("pageerror", (error) => page.faults.push(String(error)));
  await page.addInitScript(() => {
    window.shift = 0;
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => (window.shift += entry.value))).observe({ type: "layout-shift", buffered: true });
  });
  await page.goto(all.site + path, { waitUntil: "load" });
  return page;
}

/** Scroll through all of a page, so that everything in it is loaded. */
async function readThrough(page) {
  await page.evaluate(async () => {
    for (let y = 0; y < document.body.scrollHeight; y += 300) {
      scrollTo(0, y);
      await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    }
  });
  await page.waitForLoadState("networkidle", { timeout: 3000 }).catch(() => undefined); // the live stream stays open
  await page.waitForFunction(() => [...document.images].every((image) => image.complete));
}

/** The lines that readers see, also those inside of components, in order. */
const readLines = (page) =>
  page.evaluate(() => {
    const walk = (node) => {
      if (node instanceof Text) return [node.data];
      if (!(node instanceof Element) || ["SCRIPT", "STYLE"].includes(node.tagName)) return [];
      const inline = getComputedStyle(node).display.startsWith("inline");
      const text = [...(node.shadowRoot ?? node).childNodes].flatMap(walk);
      return inline ? text : ["\n", ...text, "\n"];
    };
    return walk(document.querySelector("main")).join("").split("\n").map((line) => line.replace(/\s+/g, " ").trim()).filter(Boolean);
  });

/** Request a page; return the answer and the calls of the API that it took. */
async function request(path) {
  all.calls.length = 0;
  const answer = await fetch(all.site + path, { redirect: "manual" });
  await answer.arrayBuffer();
  return { answer, calls: [...all.calls], paths: all.calls.map((call) => call.path).sort() };
}

test("every address is answered by one call beside that for the site", async () => {
  for (const [path, status, location] of [
    ["/", 200],
    [RICH, 200],
    ["/about", 200],
    ["/ferry", 301, "/harbour/ferry-six-months-early"],
    ["/harbour/fog-horn-to-be-switched-off", 301, "/harbour/the-fog-horn-falls-silent"],
    ["/news/council-counts-gulls", 301, "/town-hall/council-counts-gulls"],
    ["/harbour/sea-monster-off-the-mole", 410],
    ["/classifieds/boats", 410],
    ["/nothing/here", 404],
  ]) {
    const { answer, paths } = await request(path);
    assert.equal(answer.status, status, path);
    assert.equal(answer.headers.get("location"), location ?? null, path);
    assert.deepEqual(paths, ["/v1/resolve", "/v1/site"], path);
  }
  for (const path of ["/harbour", "/tags/ferry", "/authors/ines-costa", "/series/the-new-ferry"]) {
    const { answer, paths } = await request(path);
    assert.equal(answer.status, 200, path);
    assert.deepEqual(paths, ["/v1/articles", "/v1/resolve", "/v1/site"], path);
  }
});

test("an article is at most 12 kB with brotli, as the API sends it and as the site does", async () => {
  await all.edit("PATCH", "/v1/articles/who-took-the-fenders", { dek: "So that nothing is answered from a cache." });
  const { calls } = await request(`${RICH}?new=1`);
  const page = await fetch(all.site + RICH, { headers: { "accept-encoding": "br" } });
  const sizes = { api: calls.reduce((sum, { size }) => sum + size, 0), page: Number(page.headers.get("content-length")) };
  for (const size of Object.values(sizes)) assert.ok(size > 0 && size <= MAX_BROTLI, JSON.stringify(sizes));
});

test("an article with everything: nothing moves, is broken, or is hard to reach", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open(RICH, { colorScheme });
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
});

test("no link of the site is broken", async () => {
  const seen = new Set(["/"]);
  for (const path of seen) {
    const answer = await fetch(all.site + path);
    assert.equal(answer.status, 200, path);
    for (const [, href] of (await answer.text()).matchAll(/<a [^>]*href="([^"#]*)/g)) {
      if (href.startsWith("/")) seen.add(href.replaceAll("&amp;", "&"));
      else if (href && !href.startsWith("?")) assert.equal((await fetch(href)).status, 200, href);
    }
  }
  assert.ok(seen.size > 25, [...seen].join(" "));
});

test("a page with a disclaimer before and after its text shows all lines in order", async () => {
  const disclaimer = "The opinions in this column are those of its author alone. This site gives no legal or medical advice.";
  const text = ["On Tuesday the weathercock of St Olave's was found to point at the town hall, whatever the wind.", "“It has a point,” said the verger.", "The church council meets on Friday. It will be windy."];
  const section = await all.edit("POST", "/v1/sections", { name: "Columns" });
  await all.edit("POST", "/v1/notices", { scope: "section", target_id: section.id, placement: "both", text: disclaimer });
  for (const [title, day, lines] of [["The bell that rang itself", 1, ["Once."]], ["WEATHERCOCK: what it really wants", 2, text], ["Why nobody looks up any more", 3, ["Because."]]]) {
    const body = { markdown: lines.join("\n\n") };
    const { id } = await all.edit("POST", "/v1/articles", { title, section: "columns", published_at: `2026-07-0${day}T06:00:00Z`, body });
    await all.edit("POST", `/v1/articles/${id}/publish`);
  }
  const page = await open("/columns/weathercock-what-it-really-wants");
  await readThrough(page);
  await page.waitForFunction(() => document.querySelector("broadsheet-comments")?.shadowRoot?.querySelector("textarea"));
  const lines = await readLines(page);
  const between = (first, last) => lines.slice(lines.indexOf(first) + 1, lines.findIndex((line) => line.includes(last)));
  const column = ["WEATHERCOCK: what it really wants", disclaimer, ...text, "Report", disclaimer, "0 comments"];
  let place = -1;
  for (const line of column) assert.ok((place = lines.indexOf(line, place + 1)) >= 0, `${line} is not in its place in\n${lines.join("\n")}`);
  const discussion = between("0 comments", "The bell that rang itself").join("\n");
  for (const words of ["What do you think?", "Name", "Notify me", "Inline feedback", "Subscribe"]) assert.ok(discussion.includes(words), words);
  assert.ok(lines.findIndex((line) => line.endsWith("The bell that rang itself")) < lines.findIndex((line) => line.endsWith("Why nobody looks up any more")));
  await page.context().close();
});

test("a comment of another reader appears, and the count of the article with it", async () => {
  const page = await open("/harbour/ferry-six-months-early#comments");
  await page.waitForSelector("body.ready");
  assert.ok(await page.evaluate(() => CSS.highlights?.size > 0 || document.querySelector("#text [role], #text mark, #text button")), "passages are marked");
  await page.waitForTimeout(500);
  const [before] = (await page.locator("[data-count]").textContent()).split(" ");
  await fetch(`${all.api}/v1/articles/ferry-six-months-early/comments`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ text: "The rope is still too short.", author: { name: "Ida" } }),
  });
  await page.waitForFunction((count) => document.querySelector("[data-count]").textContent.startsWith(String(count)), Number(before) + 1);
  await page.getByText(/The rope is still too short|1 new comment|New comment by Ida/).first().waitFor();
  await page.context().close();
});

test("search, subscribe and confirm, report, preview", async () => {
  let page = await open("/");
  await page.getByRole("searchbox").fill("bridge");
  await page.keyboard.press("Enter");
  await page.locator("mark", { hasText: /bridge/i }).first().waitFor();
  await page.getByLabel("New articles by e-mail").fill("ida@example.org");
  await page.getByRole("button", { name: "Subscribe" }).click();
  await page.getByText("Please confirm with the link").waitFor();
  const mail = (await all.mailTo("ida@example.org")).replace(/=\r?\n/g, "").replaceAll("=3D", "=");
  const [link] = /http:\/\/localhost:\d+\/subscriptions\/confirm\?\S+/.exec(mail);
  await page.goto(link);
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByText("Your subscription is confirmed.").waitFor();
  await page.goto(`${all.site}/opinion/in-praise-of-the-slow-bridge`);
  await page.locator("summary", { hasText: "Report" }).click();
  await page.getByLabel("What is wrong?").fill("It is about bridges.");
  await page.locator(".report button").click();
  await page.getByText("The editors will look at it.").waitFor();
  const { token } = await all.edit("POST", "/v1/articles/who-took-the-fenders/previews", {});
  await page.goto(`${all.site}/preview/who-took-the-fenders?token=${token}`);
  await page.getByRole("heading", { name: "Who took the fenders?" }).waitFor();
  assert.equal(await page.locator('meta[name="robots"]').getAttribute("content"), "noindex");
  assert.equal((await fetch(`${all.site}/preview/who-took-the-fenders?token=no`)).status, 404);
  await page.context().close();
});

test("structured data of articles and breadcrumbs is valid", async () => {
  const { structuredDataTest } = require("structured-data-testing-tool");
  const { Google } = require("structured-data-testing-tool/presets");
  const found = await structuredDataTest(await (await fetch(all.site + RICH)).text(), { presets: [Google], schemas: ["jsonld:NewsArticle", "jsonld:BreadcrumbList"] })
    .catch((error) => error.res ?? Promise.reject(error));
  assert.deepEqual(found.failed.map(({ test, description, error }) => ({ test, description, error })), []);
  assert.ok(found.passed.length > 10);
});

test("Lighthouse has nothing to say about search engines", async () => {
  const { default: lighthouse } = await import("lighthouse");
  const port = 9300 + (process.pid % 500);
  const visible = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", `--remote-debugging-port=${port}`] });
  try {
    for (const path of ["/", "/harbour", RICH]) {
      const { lhr } = await lighthouse(all.site + path, { port, onlyCategories: ["seo"], logLevel: "error" });
      const failed = Object.values(lhr.audits).filter(({ score }) => score !== null && score < 1).map(({ id }) => id);
      assert.deepEqual([path, lhr.categories.seo.score, failed], [path, 1, []]);
    }
  } finally {
    await visible.close();
  }
});
