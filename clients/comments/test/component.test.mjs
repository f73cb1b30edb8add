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
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--disable-gpu", "--no-sandbox"],
  });
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
  assert.ok(await page.getByText("The discussion needs JavaScript.").isHidden());
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
  const told = serious.map(
    ({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target.join(" ")} ${node.failureSummary}`).join("; ")}`,
  );
  assert.deepEqual(told, [], what);
}

test("a comment is shown to another reader at once", async (t) => {
  const article = await makeArticle("Two readers");
  const [ida, jonas] = [await open(t, article), await open(t, article)];
  await write(ida, "The first one warms up.", "Ida");
  await comment(jonas, "The first one warms up.").waitFor();
  await watch(jonas, "Does this arrive?");
  await ida.evaluate(() =>
    document.addEventListener("click", () => (window.sentAt = performance.timeOrigin + performance.now())),
  );
  await write(ida, "Does this arrive?");
  await comment(jonas, "Does this arrive?").waitFor();
  const sent = await ida.evaluate(() => window.sentAt);
  t.diagnostic(`shown ${Math.round((await jonas.evaluate(() => window.seenAt)) - sent)} ms after the click of its author`);
  await jonas.getByRole("heading", { name: "2 comments" }).waitFor();
});

test("a reader replies, votes, reports, edits and deletes", async (t) => {
  const article = await makeArticle("A conversation");
  const first = await post(article, { text: "What is it *for*?", author: { name: "Amal" } });
  const [page, other] = [await open(t, article), await open(t, article)];

  await comment(page, "What is it for?").getByRole("button", { name: "Reply" }).click();
  const reply = page.getByRole("form", { name: "Your reply to Amal" });
  await reply.getByRole("button", { name: "Post reply" }).click();
  assert.equal(await reply.getByText("Please fill in this field.").count(), 2, "text and name are missing");
  await reply.getByRole("textbox", { name: "Your reply to Amal" }).fill("For the six minutes.");
  await reply.getByLabel("Name").fill("Ida");
  await reply.getByRole("button", { name: "Post reply" }).click();
  const own = comment(page, "For the six minutes.");
  await own.waitFor();
  assert.equal(await page.getByRole("list", { name: "Replies to Amal" }).getByRole("article").count(), 1);
  await comment(other, "For the six minutes.").waitFor();
  await page.getByText("You comment as Ida.").waitFor();

  const up = comment(page, "What is it for?").getByRole("button", { name: "Vote up" });
  await up.click();
  await page.getByRole("button", { name: "Vote up 1", pressed: true }).waitFor();
  await comment(other, "What is it for?").getByRole("button", { name: "Vote up 1", pressed: false }).waitFor();
  assert.ok(await own.getByRole("button", { name: "Vote up" }).isDisabled(), "nobody votes on their own comment");

  await page.getByRole("button", { name: "Insightful" }).click();
  await page.getByRole("button", { name: "Insightful 1", pressed: true }).waitFor();

  await comment(page, "What is it for?").getByRole("button", { name: "Report" }).click();
  await page.getByLabel("What is wrong?").selectOption("misinformation");
  await page.getByRole("button", { name: "Send report" }).click();
  await comment(page, "What is it for?").getByText("The moderators will look at it.").waitFor();
  const reports = await api.send("GET", `/v1/moderation/reports?comment=${first.id}`);
  assert.deepEqual(
    reports.data.map(({ reason }) => reason),
    ["misinformation"],
  );

  await own.getByRole("button", { name: "Edit" }).click();
  await page.getByRole("textbox", { name: "Your comment" }).fill("For the **seven** minutes.");
  await page.getByRole("button", { name: "Save" }).click();
  await comment(page, "For the seven minutes.").getByText("edited").waitFor();
  await comment(other, "For the seven minutes.").waitFor();

  await page.reload();
  const kept = comment(page, "For the seven minutes.");
  await kept.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("form", { name: "Delete" }).getByRole("button", { name: "Delete" }).click();
  await kept.waitFor({ state: "detached" });
  await comment(other, "For the seven minutes.").waitFor({ state: "detached" });
});

test("more comments and replies are shown on request, and in other orders", async (t) => {
  const article = await makeArticle("Many comments");
  const { id } = await post(article, { text: "Comment 0", author: { name: "Ida" } });
  for (let n = 1; n <= 24; n++) await post(article, { text: `Comment ${n}`, author: { name: "Ida" } });
  for (let n = 1; n <= 5; n++) await post(article, { text: `Reply ${n}`, parent_id: id, author: { name: "Jonas" } });
  const page = await open(t, article);
  await comment(page, "Comment 24").waitFor();
  assert.equal(await page.getByRole("article").count(), 20);
  await page.getByRole("button", { name: "View more comments" }).click();
  await comment(page, "Comment 0").waitFor();
  assert.ok(await comment(page, "Comment 4").evaluate((element) => element.matches(":focus")), "the first new one has the focus");
  assert.ok(await page.getByRole("button", { name: "View more comments" }).isHidden());
  await page.getByRole("button", { name: "View 2 replies" }).click();
  await comment(page, "Reply 5").waitFor();
  assert.equal(
    await page
      .getByRole("article")
      .filter({ hasText: /Reply \d/ })
      .count(),
    5,
  );
  await page.getByLabel("Sort by").selectOption("oldest");
  await page.locator("broadsheet-comments ol > li:first-child", { hasText: "Comment 0" }).waitFor();

  await page.goto(`${page.url()}#comment-${(await api.send("GET", `/v1/comments/${id}/replies?limit=5`)).data[4].id}`);
  await page.reload();
  await page.getByRole("heading", { name: "One thread of the discussion" }).waitFor();
  assert.equal(await page.getByRole("article").count(), 2);
  await page.getByRole("button", { name: "View all comments" }).click();
  await comment(page, "Comment 24").waitFor();
});

test("passages are marked in the text, and what is selected can be commented on", async (t) => {
  const article = await makeArticle("A passage");
  await post(article, { text: "Always?", author: { name: "Amal" }, anchor: { exact: "It is never early." } });
  const page = await open(t, article);
  await page.getByRole("button", { name: "1 comment on “It is never early.”" }).click();
  await page.getByRole("heading", { name: "Comments on this passage" }).waitFor();
  assert.equal(await page.getByRole("article").count(), 1);
  await page.getByRole("button", { name: "Back to the text" }).click();
  assert.equal(await page.evaluate(() => document.activeElement.localName), "broadsheet-passage");
  await page.getByRole("button", { name: "View all comments" }).click();
  await page.getByRole("form", { name: "What do you think?" }).waitFor();

  await page.evaluate(() => {
    const text = document.querySelector("#text p:last-child").firstChild; // the second of two equal sentences
    const range = document.createRange();
    range.setStart(text, text.data.lastIndexOf("The ferry leaves"));
    range.setEnd(text, text.data.length);
    document.getSelection().addRange(range);
  });
  await page.getByRole("button", { name: "Comment on this passage" }).first().click();
  const label = "Your comment on “The ferry leaves at eight again.”";
  await page.getByRole("form", { name: label }).getByRole("textbox", { name: label }).fill("Twice, even.");
  await page.getByRole("form", { name: label }).getByLabel("Name").fill("Ida");
  await page.getByRole("button", { name: "Post comment" }).click();
  await comment(page, "Twice, even.").waitFor();
  await page.getByRole("button", { name: "1 comment on “The ferry leaves at eight again.”" }).waitFor();
  await page.getByRole("button", { name: "Inline feedback 2" }).click();
  await page.getByRole("button", { name: "Inline feedback 2", pressed: true }).waitFor();
  assert.equal(await page.locator("#text").evaluate((element) => element.textContent.includes("It is never early.")), true);
  const highlighted = await page.evaluate(() => [...CSS.highlights.get("broadsheet-passage")].map(String).sort());
  assert.deepEqual(highlighted, ["It is never early.", "The ferry leaves at eight again."]);
});

test("a guest is known again, may be forgotten, and subscribes", async (t) => {
  const article = await makeArticle("A guest");
  const page = await open(t, article);
  const form = page.getByRole("form", { name: "What do you think?" });
  await form.getByLabel("Notify of").selectOption("replies");
  await form.getByRole("button", { name: "Post comment" }).click();
  assert.equal(await form.getByText("Please fill in this field.").count(), 3, "text, name and address are missing");
  await form.getByLabel("E-mail", { exact: true }).fill("ida@example.org");
  await write(page, "Tell me more.", "Ida");
  await page.reload();
  await page.getByText("You comment as Ida.").waitFor();
  await comment(page, "Tell me more.").getByRole("button", { name: "Edit" }).waitFor();
  await page.getByRole("button", { name: "Forget me on this device" }).click();
  await form.getByLabel("Name").waitFor();
  await comment(page, "Tell me more.").getByRole("button", { name: "Edit" }).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Subscribe" }).click();
  await page.getByRole("form", { name: "Subscribe" }).getByLabel("E-mail", { exact: true }).fill("ida@example.org");
  await page.getByRole("form", { name: "Subscribe" }).getByRole("button", { name: "Subscribe" }).click();
  await page.getByText("Please confirm with the link in the mail").waitFor();
});

test("a guest's token that is not known any more is forgotten", async (t) => {
  const article = await makeArticle("A stale token");
  await post(article, { text: "Here I am.", author: { name: "Amal" } });
  const page = await open(t, article, {}, { mayFail: true });
  const name = `broadsheet:guest:${api.url}`;
  await page.evaluate((key) => localStorage.setItem(key, `bg_${"0".repeat(72)}`), name);
  await page.reload();
  await comment(page, "Here I am.").waitFor();
  await write(page, "And I.", "Ida");
  assert.notEqual(await page.evaluate((key) => localStorage.getItem(key), name), `bg_${"0".repeat(72)}`);
});

test("a signed-in reader is known by the page's token", async (t) => {
  const article = await makeArticle("A reader");
  const page = await open(t, article);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: "r1", name: "Rana Haddad", exp: Math.floor(Date.now() / 1000) + 3600 })}`;
  const token = `${signed}.${createHmac("sha256", READER_SECRET).update(signed).digest("base64url")}`;
  await page.evaluate((given) => (document.querySelector("broadsheet-comments").token = () => Promise.resolve(given)), token);
  await page.getByText("You comment as Rana Haddad.").waitFor();
  await write(page, "Signed.");
  assert.equal((await api.send("GET", `/v1/articles/${article}/comments`)).data[0].author.kind, "reader");
});

test("authors are told that a comment waits or was held back, and why", async (t) => {
  const article = await makeArticle("Moderated", { moderation: "pre" });
  const page = await open(t, article);
  await write(page, "May I?", "Ida");
  await comment(page, "May I?").getByText("Waiting for a moderator.").waitFor();
  await write(page, "And this?");
  await page.reload();
  await comment(page, "May I?").getByText("Waiting for a moderator.").waitFor();
  const { data } = await api.send("GET", "/v1/moderation/queue?state=pending");
  const id = (text) => data.find((one) => (one.comment ?? one).text === text).id;
  await api.send("POST", `/v1/comments/${id("May I?")}/approve`);
  await comment(page, "May I?").getByText("Waiting for a moderator.").waitFor({ state: "detached" });
  await api.send("POST", `/v1/comments/${id("And this?")}/reject`, { reason: "Off topic." });
  await page.reload();
  await comment(page, "And this?").getByRole("button", { name: "Why?" }).click();
  await comment(page, "And this?").getByText("Off topic.").waitFor();
  await page.getByLabel("Why should the decision be reviewed?").fill("It is about the ferry.");
  await page.getByRole("button", { name: "Ask for a review" }).click();
  await comment(page, "And this?").getByText("You have asked for a review.").waitFor();
});

test("an editor's changes and own texts are shown", async (t) => {
  const article = await makeArticle("Closed", { prompt: "Too early?" });
  const page = await open(t, article);
  await page.getByRole("form", { name: "Too early?" }).waitFor();
  const strings = { "comments.other": "{count} letters", closed: "No more letters." };
  await page.evaluate((own) => (document.querySelector("broadsheet-comments").strings = own), strings);
  await page.getByRole("heading", { name: "0 letters" }).waitFor();
  await api.send("PUT", `/v1/articles/${article}/discussion`, { state: "closed" });
  await page.getByText("No more letters.").waitFor();
  await api.send("PUT", `/v1/articles/${article}/discussion`, { prompt: "Just in time?" }); // at once, in spite of caches
  await page.getByRole("form", { name: "Just in time?" }).waitFor();
  await api.send("PUT", `/v1/articles/${article}/discussion`, { state: "hidden" });
  await page.getByRole("heading", { name: "0 letters" }).waitFor({ state: "hidden" });
});

test("problems of the API are told in words", async (t) => {
  const article = await makeArticle("Problems");
  const page = await open(t, article, { lang: "de" }, { mayFail: true });
  const problem = {
    type: "/problems/rate_limited",
    code: "rate_limited",
    title: "Too many requests",
    status: 429,
    detail: "Slow down.",
  };
  const headers = { "access-control-allow-origin": "*", "access-control-expose-headers": "Retry-After", "retry-after": "40" };
  const answer = { status: 429, contentType: "application/problem+json", body: JSON.stringify(problem), headers };
  await page.route("**/comments", (route) => (route.request().method() === "POST" ? route.fulfill(answer) : route.continue()));
  const form = page.getByRole("form", { name: "Was meinen Sie?" });
  await form.getByRole("textbox", { name: "Was meinen Sie?" }).fill("Geht das?");
  await form.getByLabel("Name als Gast").fill("Ida");
  await form.getByRole("button", { name: "Kommentar absenden" }).click();
  await form.getByText("Zu viele Anfragen in kurzer Zeit. Bitte versuchen Sie es in 40 Sekunden noch einmal.").waitFor();
  await page.unroute("**/comments");
  await form.getByLabel("Name als Gast").fill("Editor");
  await form.getByRole("button", { name: "Kommentar absenden" }).click();
  await form.getByText("Dieser Name ist der Redaktion vorbehalten.").waitFor();
  assert.equal(await form.getByRole("textbox", { name: "Was meinen Sie?" }).inputValue(), "Geht das?", "nothing is lost");
});

test("the question to readers comes first, then the number of comments and what is shown of them", async (t) => {
  const page = await open(t, await makeArticle("In order"));
  await page.getByText("No comments yet.").waitFor();
  const lines = await page.locator("broadsheet-comments").evaluate(({ shadowRoot }) =>
    [...shadowRoot.querySelectorAll("h2, label, button")]
      .filter((element) => element.checkVisibility())
      .map((element) => (element.querySelector(".label") ?? element).firstChild?.textContent ?? ""),
  );
  assert.deepEqual(lines.slice(lines.indexOf("What do you think?")), [
    "What do you think?",
    "Subscribe",
    "Notify of",
    "Guest name",
    "E-mail (optional)",
    "Post comment",
    "0 comments",
    "Inline feedback",
    "View all comments",
    "Sort by",
    "Report this article",
  ]);
});

test("a comment is written with the keyboard alone", async (t) => {
  const page = await open(t, await makeArticle("Keyboard"));
  const focused = () => page.evaluate(() => document.activeElement.shadowRoot?.activeElement?.labels?.[0]?.textContent ?? "");
  const tabTo = async (label) => {
    for (let n = 0; n < 30 && (await focused()) !== label; n++) await page.keyboard.press("Tab");
    assert.equal(await focused(), label);
  };
  await tabTo("What do you think?");
  await page.keyboard.type("No mouse here.");
  await tabTo("Guest name");
  await page.keyboard.type("Ida");
  await page.keyboard.press("Control+Enter");
  await comment(page, "No mouse here.").waitFor();
  assert.ok(await comment(page, "No mouse here.").evaluate((element) => element.matches(":focus")));
  await page.getByRole("status").filter({ hasText: "Your comment was posted." }).waitFor();
  await page.keyboard.press("Tab"); // the time, which is a link
  for (let n = 0; n < 10; n++) {
    if (
      await comment(page, "No mouse here.")
        .getByRole("button", { name: "Edit" })
        .evaluate((element) => element.matches(":focus"))
    )
      break;
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await page.getByRole("textbox", { name: "Your comment" }).waitFor();
  await page.keyboard.press("Escape");
  assert.ok(
    await comment(page, "No mouse here.")
      .getByRole("button", { name: "Edit" })
      .evaluate((element) => element.matches(":focus")),
  );
});

test("the component is accessible, in light, dark and right-to-left pages", async (t) => {
  const article = "in-praise-of-the-slow-bridge";
  const first = await post(article, {
    text: "I *walk* it daily. See [the plan](https://plans.example/bridge).",
    author: { name: "Ida Holm" },
  });
  await post(article, { text: "Twice, even, when the herring is in.", parent_id: first.id, author: { name: "Jonas" } });
  await post(article, {
    text: "How often is that in a year?",
    anchor: { exact: "Eleven times a day" },
    author: { name: "Amal" },
  });
  const styles = [
    ["light", "en"],
    ["dark", "en"],
    ["light", "ar"],
  ];
  for (const [colorScheme, lang] of styles) {
    const page = await open(
      t,
      article,
      { lang, open: "" },
      { colorScheme, viewport: { width: lang === "ar" ? 420 : 820, height: 1000 } },
    );
    await comment(page, "Twice, even").waitFor();
    assert.equal(
      await page.locator("broadsheet-comments section").evaluate((element) => getComputedStyle(element).direction),
      lang === "ar" ? "rtl" : "ltr",
    );
    await page.screenshot({ path: join(SCREENSHOTS, `${colorScheme}-${lang}.png`), fullPage: true });
    await assertAccessible(page, `${colorScheme} ${lang}`);
    if (lang === "ar") continue;
    await comment(page, "Twice, even").getByRole("button", { name: "Reply" }).click();
    await page.getByRole("button", { name: "Post reply" }).click();
    await comment(page, "How often").getByRole("button", { name: "Report" }).click();
    await page.getByRole("button", { name: "1 comment on “Eleven times a day”" }).click();
    await page.getByRole("heading", { name: "Comments on this passage" }).waitFor();
    await assertAccessible(page, `forms, ${colorScheme}`);
  }
});
