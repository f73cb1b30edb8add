// The Astro site in Chromium, beside the API with the sample publication.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { auditArticle, auditLines, auditSearchEngines, auditStructuredData, launch, open } from "../../site/test/audits.mjs";
import { startAll } from "../../site/test/servers.mjs";

const RICH = "/culture/what-the-lighthouse-writes-down";
const FOLDER = new URL("..", import.meta.url).pathname;
let all, browser;

const build = (env, ...flags) => promisify(execFile)("npx", ["astro", "build", "--silent", ...flags], { cwd: FOLDER, env: { ...process.env, ...env } });

before(async () => {
  all = await startAll("astro", "dist/server/entry.mjs", (env) => build(env, "--force"));
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await all?.stop();
});

test("every address is answered by one call beside that for the site", async () => {
  for (const [path, status, location, ...others] of [
    ["/", 200, null],
    [RICH, 200, null],
    ["/ferries", 200, null, "/v1/articles"],
    ["/ferry", 301, "/harbour/ferry-six-months-early"],
    ["/harbour/fog-horn-to-be-switched-off", 301, "/harbour/the-fog-horn-falls-silent"],
    ["/harbour/sea-monster-off-the-mole", 410, null],
    ["/nothing/here", 404, null],
  ]) {
    all.calls.length = 0;
    const answer = await fetch(all.site + path, { redirect: "manual" });
    await answer.arrayBuffer();
    assert.deepEqual([path, answer.status, answer.headers.get("location")], [path, status, location]);
    const paths = new Set(all.calls.map((call) => call.path));
    assert.deepEqual([...paths].sort(), [...others, "/v1/resolve", "/v1/site"], path);
    assert.equal(all.calls.filter(({ path }) => path === "/v1/resolve").length, 1);
  }
});

test("the loader follows the change feed", async () => {
  const archive = async () => (await fetch(`${all.site}/archive`)).text();
  assert.match(await archive(), /Council votes to count the gulls/);
  await all.edit("PATCH", "/v1/articles/council-counts-gulls", { title: "The gulls have been counted" });
  await all.edit("POST", "/v1/articles/council-counts-gulls/publish");
  await all.edit("POST", "/v1/articles/the-bakery-that-opens-at-four/unpublish");
  all.calls.length = 0;
  await build(all.settings);
  const lists = all.calls.filter(({ path }) => path === "/v1/articles");
  assert.ok(all.calls.some(({ path }) => path === "/v1/changes"));
  assert.equal(lists.length, 1);
  assert.ok(lists[0].size < 500, `only what has changed is read, not ${lists[0].size} bytes`);
  assert.match(await archive(), /The gulls have been counted/);
  assert.doesNotMatch(await archive(), /The bakery that opens at four|Council votes/);
});

test("an article with its discussion, search, preview", async () => {
  const page = await open(browser, `${all.site}/harbour/ferry-six-months-early`);
  await page.waitForSelector("body.ready");
  await page.getByText("Mine was the lantern.").last().waitFor();
  const author = { name: "Ida" };
  const headers = { "content-type": "application/json" };
  await page.stream;
  await fetch(`${all.api}/v1/articles/ferry-six-months-early/comments`, { method: "POST", headers, body: JSON.stringify({ text: "And now?", author }) });
  await page.waitForFunction(() => document.querySelector("[data-follow]").textContent === "12 comments");
  await page.getByRole("searchbox").fill("bridge");
  await page.keyboard.press("Enter");
  await page.locator("mark", { hasText: /bridge/i }).first().waitFor();
  const { token } = await all.edit("POST", "/v1/articles/who-took-the-fenders/previews", {});
  await page.goto(`${all.site}/preview/who-took-the-fenders?token=${token}`);
  await page.getByRole("heading", { name: "Who took the fenders?" }).waitFor();
  await page.goto(`${all.site}/subscriptions/confirm?token=no`);
  assert.deepEqual(page.faults, []);
  await page.getByRole("button", { name: "Confirm" }).click();
  await page.getByText(/unknown or has expired/).waitFor();
});

test("an article with everything: nothing moves, is broken, or is hard to reach", () => auditArticle(all, browser, RICH));

test("a page with a disclaimer before and after its text shows all lines in order", () => auditLines(all, browser));

test("structured data is valid, and search engines have nothing to dislike", async () => {
  await auditStructuredData(all.site + RICH);
  await auditSearchEngines(["/", RICH, "/archive"].map((path) => all.site + path));
});
