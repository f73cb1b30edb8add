// The component in Chromium, against a server with the sample publication.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { ROOT, startApi, startSite } from "./server.mjs";

const ARTICLE = "four-metres-of-quay";
const READER_SECRET = "a secret that only this test knows";
const SCREENSHOTS = join(ROOT, "build/comments");
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let site, api, browser;

before(async () => {
  site = await startSite();
  api = await startApi(site.url, { READER_SECRET });
  site.use(api.url);
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--disable-gpu", "--no-sandbox"] });
  await mkdir(SCREENSHOTS, { recursive: true });
});

after(async () => {
  await browser?.close();
  await api?.stop();
  site?.stop();
});

/** Open a page in a browser of its own, as another reader; any error in it fails the test. */
async function open(t, article, query = {}, options = {}) {
  const context = await browser.newContext({ viewport: { width: 900, height: 1200 }, ...options });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  t.after(async () => {
    await context.close();
    if (!options.mayFail) assert.deepEqual(errors, []);
  });
  await page.goto(`${site.url}/?${new URLSearchParams({ article, text: "#text", ...query })}`);
  await page.getByRole("heading", { level: 2 }).waitFor();
  return page;
}

const comment = (page, text) => page.getByRole("article").filter({ hasText: text }).last();
const post = (article, body, token = null) => api.send("POST", `/v1/articles/${article}/comments`, body, token);

/** Make an article of one's own, so that tests do not see each other's comments. */
async function makeArticle(title, discussion = {}) {
  const markdown = "The ferry leaves at *eight*. It is never early.\n\nNobody minds. The ferry leaves at eight again.";
  const { id, slug } = await api.send("POST", "/v1/articles", { title, body: { markdown } });
  await api.send("POST", `/v1/articles/${id}/publish`);
  if (Object.keys(discussion).length) await api.send("PUT", `/v1/articles/${id}/discussion`, discussion);
  return slug;
}

async function write(page, text, name) {
  const form = page.getByRole("form", { name: "What do you think?" });
  await form.getByRole("textbox", { name: "What do you think?" }).fill(text);
  if (name) await form.getByLabel("Name").fill(name);
  await form.getByRole("button", { name: "Post comment" }).click();
  await comment(page, text).waitFor();
}

/** Note when a text appears in the discussion, in milliseconds since the epoch. */
function watch(page, text) {
  return page.evaluate((wanted) => {
    const { shadowRoot } = document.querySelector("broadsheet-comments");
    const observer = new MutationObserver(() => {
      if (!shadowRoot.textContent.includes(wanted)) return;
      window.seenAt = performance.timeOrigin + performance.now();
      observer.disconnect();
    });
    observer.observe(shadowRoot, { childList: true, subtree: true, characterData: true });
  }, text);
}

/** Check a page with axe-core: nothing serious or critical. */
async function assertAccessible(page, what) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const told = serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target.join(" ")} ${node.failureSummary}`).join("; ")}`);
  assert.deepEqual(told, [], what);
}

test("a comment is shown to another reader at once", async (t) => {
  const article = await makeArticle("Two readers");
  const [ida, jonas] = [await open(t, article), await open(t, article)];
  await write(ida, "The first one warms up.", "Ida");
  await comment(jonas, "The first one warms up.").waitFor();
  await watch(jonas, "Does this arrive?");
  await ida.evaluate(() => document.addEventListener("click", () => (window.sentAt = performance.timeOrigin + performance.now())));
  await write(ida, "Does this arrive?");
  await comment(jonas, "Does this arrive?").waitFor();
  const sent = await ida.evaluate(() => window.sentAt);
  t.diagnostic(`shown ${Math.round((await jonas.evaluate(() => window.seenAt)) - sent)} ms after the click of its author`);
  await jonas.getByRole("heading", { name: "2 comments" }).waitFor();
});
