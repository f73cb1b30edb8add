/** Tabs of one browser in Chromium, over HTTP/1.1: `make clients-browser`. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import type { LiveEvent } from "@broadsheet/client";
import { chromium, type Browser, type BrowserContext, type Page, type Request } from "playwright-core";
import { editor, reader, URL_, words } from "./setup.js";

const ORIGIN = process.env["BROADSHEET_ORIGIN"] ?? "";

/** A page that follows the article that its address names, and keeps the events. */
const HTML = `<!doctype html><title>Tab</title><script type="module">
  import { createClient } from "/dist/index.js";
  window.api = createClient({ url: "${URL_}" });
  window.events = [];
  const article = new URLSearchParams(location.search).get("article");
  for await (const event of window.api.articles.follow(article)) window.events.push(event);
  window.events.push({ type: "end" });
</script>`;

type Tab = { api: ReturnType<typeof reader>; events: (LiveEvent | { type: "end" })[] };

let browser: Browser;
const site = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? "/", ORIGIN);
  const isModule = /^\/dist\/\w+\.js$/.test(pathname);
  response.setHeader("content-type", isModule ? "text/javascript" : "text/html");
  if (!isModule) response.end(HTML);
  else readFile(`.${pathname}`).then((text) => response.end(text), () => response.writeHead(404).end());
});

before(async () => {
  await new Promise<void>((resolve) => site.listen(Number(new URL(ORIGIN).port), "127.0.0.1", resolve));
  browser = await chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
});
after(async () => {
  await browser?.close();
  site.close();
});

const publish = async () => {
  const api = editor();
  return api.articles.publish(await api.articles.create({ title: words("Tabs"), body: { markdown: "Text." } }));
};

/** Open a tab, and note the streams that it asks for in `streams` until they end. */
async function open(context: BrowserContext, article: string, streams: Set<string>, log: string[]): Promise<Page> {
  const page = await context.newPage();
  const end = (request: Request) => void streams.delete(request.url());
  page.on("request", (request) => {
    if (/^\/v1\/.*\/live$/.test(new URL(request.url()).pathname)) streams.add(request.url()), log.push(request.url());
  });
  page.on("requestfinished", end).on("requestfailed", end);
  await page.goto(`${ORIGIN}/?article=${article}`);
  return page;
}

/** Wait until a tab has seen an event: of a comment, or of a type. */
const sees = (page: Page, id: string) =>
  page.waitForFunction(
    (wanted) => (window as unknown as Tab).events?.some((event) => event.type === wanted || (event as { data?: { id?: string } }).data?.id === wanted),
    id,
    { timeout: 20_000 },
  );
const countOf = (page: Page, id: string) =>
  page.evaluate((wanted) => (window as unknown as Tab).events.filter((event) => (event as { data?: { id?: string } }).data?.id === wanted).length, id);
/** A request of a tab to the API, which must not wait for a connection. */
const ask = (page: Page) =>
  page.evaluate(() => Promise.race([(window as unknown as Tab).api.site.get(), new Promise((resolve) => setTimeout(resolve, 10_000, null))]));

test("tabs of one article share one stream, and the next one goes on when it closes", async () => {
  const article = await publish();
  const context = await browser.newContext();
  const streams = new Set<string>();
  const log: string[] = [];
  const author = reader();
  const tabs: Page[] = [];
  for (let n = 0; n < 7; n++) {
    const tab = await open(context, article.slug, streams, log);
    await sees(tab, "counts"); // a tab that joins is told by the one that has the stream
    tabs.push(tab);
  }
  assert.equal(log.length, 1);
  for (const tab of tabs) assert.ok(await ask(tab));
  const guests = await Promise.all(tabs.map((tab) => tab.evaluate(() => (window as unknown as Tab).api.guest.ensure())));
  const kept = await Promise.all(tabs.map((tab) => tab.evaluate(() => (window as unknown as Tab).api.guest.token())));
  assert.equal(new Set(kept).size, 1, "tabs have one guest");
  assert.ok(guests.includes(kept[0] ?? ""));

  const first = await author.comments.post(article.slug, { text: words("First."), author: { name: "Ida" } });
  await Promise.all(tabs.map((tab) => sees(tab, first.id)));

  const [leader, ...others] = tabs;
  await leader?.close();
  const missed = await author.comments.post(article.slug, { text: words("Missed.") });
  await Promise.all(others.map((tab) => sees(tab, missed.id)));
  for (const tab of others) assert.deepEqual([await countOf(tab, first.id), await countOf(tab, missed.id)], [1, 1]);
  assert.equal(log.length, 2);
  assert.ok(new URL(log[1] ?? "").searchParams.get("last_event_id"));

  await editor().articles.unpublish(article.id, { ifMatch: "*" });
  await Promise.all(others.map((tab) => sees(tab, "end")));
  await context.close();
});

test("tabs of many articles leave connections free, and all of them are told", async () => {
  const articles = await Promise.all(Array.from({ length: 8 }, publish));
  const context = await browser.newContext();
  const streams = new Set<string>();
  const tabs: Page[] = [];
  for (const article of articles) {
    const tab = await open(context, article.slug, streams, []);
    await sees(tab, "counts");
    tabs.push(tab);
  }
  assert.ok(streams.size <= 4, `${streams.size} streams are open`); // three, and one that polls
  for (const tab of tabs) assert.ok(await ask(tab));
  const author = reader();
  for (const [n, article] of articles.entries()) {
    const { id } = await author.comments.post(article.slug, { text: words("Told."), author: { name: "Ida" } });
    const tab = tabs[n];
    if (tab) await sees(tab, id);
  }
  await context.close();
});

test("a tab that comes back from the history follows again", async () => {
  const article = await publish();
  const context = await browser.newContext();
  const tab = await open(context, article.slug, new Set(), []);
  await sees(tab, "counts");
  await tab.goto(`${ORIGIN}/elsewhere?article=${article.slug}`);
  await tab.goBack();
  const { id } = await reader().comments.post(article.slug, { text: words("Back."), author: { name: "Ida" } });
  await sees(tab, id);
  await context.close();
});
