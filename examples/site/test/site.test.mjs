// The site in Chromium, beside the API with the sample publication.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { auditArticle, auditLines, auditSearchEngines, auditStructuredData, launch, open } from "./audits.mjs";
import { startAll } from "./servers.mjs";

const RICH = "/culture/what-the-lighthouse-writes-down"; // pictures, a table, headings, quotes, passages, replies
const MAX_BROTLI = 12_000;
let all, browser;

before(async () => {
  all = await startAll();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await all?.stop();
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
    assert.deepEqual(paths, ["/v1/resolve", "/v1/site"], path);
  }
});

test("an article is at most 12 kB with brotli, as the API sends it and as the site does", async () => {
  await all.edit("PATCH", "/v1/articles/who-took-the-fenders", { dek: "So that nothing is answered from a cache." });
  const { calls } = await request(`${RICH}?new=1`);
  const page = await fetch(all.site + RICH, { headers: { "accept-encoding": "br" } });
  const sizes = { api: calls.reduce((sum, { size }) => sum + size, 0), page: Number(page.headers.get("content-length")) };
  for (const size of Object.values(sizes)) assert.ok(size > 0 && size <= MAX_BROTLI, JSON.stringify(sizes));
});

test("an article with everything: nothing moves, is broken, or is hard to reach", () => auditArticle(all, browser, RICH));

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

test("a page with a disclaimer before and after its text shows all lines in order", () => auditLines(all, browser));

test("a comment of another reader appears, and the count of the article with it", async () => {
  const page = await open(browser, all.site + "/harbour/ferry-six-months-early#comments");
  await page.waitForSelector("body.ready");
  assert.ok(await page.evaluate(() => CSS.highlights?.size > 0 || document.querySelector("#text [role], #text mark, #text button")), "passages are marked");
  await page.stream;
  const [before] = (await page.locator("[data-follow]").textContent()).split(" ");
  await fetch(`${all.api}/v1/articles/ferry-six-months-early/comments`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ text: "The rope is still too short.", author: { name: "Ida" } }),
  });
  await page.waitForFunction((count) => document.querySelector("[data-follow]").textContent.startsWith(String(count)), Number(before) + 1);
  await page.getByText(/The rope is still too short|1 new comment|New comment by Ida/).first().waitFor();
  await page.context().close();
});

test("search, subscribe and confirm, report, preview", async () => {
  const page = await open(browser, all.site + "/");
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

test("structured data of articles and breadcrumbs is valid", () => auditStructuredData(all.site + RICH));

test("Lighthouse has nothing to say about search engines", () => auditSearchEngines(["/", "/harbour", RICH].map((path) => all.site + path)));
