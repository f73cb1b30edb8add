// The desk in Chromium, against a server with the sample publication.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { audit, close, launch, open, signInWithKey, until } from "./browser.mjs";
import { startDemo } from "./servers.mjs";

let demo;

before(async () => {
  demo = await startDemo({ RATE_LIMITS: "off" });
  await launch();
});

after(async () => {
  await close();
  await demo?.stop();
});

const post = (slug, text, name) => demo.send("POST", `/v1/articles/${slug}/comments`, { text, author: { name } }, null);

test("an article is written, previewed, and published", async (t) => {
  const page = await open(t, demo.desk);
  await signInWithKey(page, demo.key);
  await audit(page, "articles");
  await page.getByRole("link", { name: "New article" }).click();
  await page.getByLabel("Title").fill("Low water at the mole");
  await page.getByLabel("Section").selectOption("Harbour");
  await page.getByLabel("Text in Markdown").fill("The ferry waits *outside*.\n\n- <b onclick=\"alert(1)\">bold</b>\n- nobody minds");
  await page.getByRole("button", { name: "Save" }).click();
  const preview = page.frameLocator("iframe");
  await preview.locator("em", { hasText: "outside" }).waitFor();
  assert.equal(await preview.locator("[onclick]").count(), 0);
  await audit(page, "editor");
  for (const [step, done] of [["Submit", "Submitted."], ["Return", "Returned to its writers."], ["Approve", "Approved."]]) {
    await page.getByRole("button", { name: `${step}…` }).click();
    const dialog = page.getByRole("dialog", { name: step });
    await dialog.getByLabel("Note to colleagues").fill(`A note of the step ${step}`);
    await dialog.getByRole("button", { name: step }).click();
    await page.getByText(done, { exact: true }).waitFor();
  }
  assert.equal(await page.getByRole("list", { name: "Steps so far" }).getByRole("listitem").count(), 3);
  await page.getByRole("button", { name: "Publish", exact: true }).click();
  await page.getByText("Published: readers see it now.").waitFor();
  assert.equal((await demo.send("GET", "/v1/articles/low-water-at-the-mole", undefined, null)).state, "published");
});

test("whoever saves second sees both texts and overwrites nothing unseen", async (t) => {
  const { id } = await demo.send("POST", "/v1/articles", { title: "Two pens", body: { markdown: "One line.\n\nAnother." } });
  const page = await open(t, demo.desk, { mayRefuse: true });
  await signInWithKey(page, demo.key);
  await page.goto(`${demo.desk}/#/article/${id}`);
  const text = page.getByLabel("Text in Markdown");
  await text.fill("One line.\n\nMine.");
  await demo.send("PATCH", `/v1/articles/${id}`, { title: "Two pens, one hand", body: { markdown: "One line.\n\nTheirs." } });
  await text.press("Control+s");
  const dialog = page.getByRole("dialog", { name: "Somebody saved before you" });
  await dialog.getByText("Theirs.").waitFor();
  await audit(page, "conflict");
  await dialog.getByRole("button", { name: "Keep mine instead of theirs" }).click();
  await page.getByText("Saved.", { exact: true }).waitFor();
  const read = () => demo.send("GET", `/v1/articles/${id}?revision=latest&formats=markdown`);
  const saved = await read();
  assert.deepEqual([saved.title, saved.body.markdown], ["Two pens, one hand", "One line.\n\nMine."]);
  // what is not saved comes back, and still belongs to the version that it was written on
  await text.fill("Not saved yet.");
  await page.getByRole("link", { name: "Articles" }).click();
  await demo.send("PATCH", `/v1/articles/${id}`, { body: { markdown: "Saved by a colleague." } });
  await page.getByRole("link", { name: "Two pens, one hand" }).click();
  assert.equal(await text.inputValue(), "Not saved yet.");
  await page.getByRole("button", { name: "Read it" }).click(); // there is a newer revision
  await dialog.getByText("Saved by a colleague.").waitFor();
  await page.keyboard.press("Escape");
  await text.press("Control+s");
  await dialog.getByText("Saved by a colleague.").waitFor();
  await dialog.getByRole("button", { name: "Edit mine further" }).click();
  assert.equal((await read()).body.markdown, "Saved by a colleague.");
  await text.fill("Saved by a colleague, and by me.");
  await text.press("Control+s");
  await until(async () => (await read()).body.markdown === "Saved by a colleague, and by me.");
});

test("what was typed survives a lost connection, and is saved once", async (t) => {
  const page = await open(t, demo.desk, { mayRefuse: true });
  await signInWithKey(page, demo.key);
  await page.getByRole("link", { name: "New article" }).click();
  await page.getByLabel("Title").fill("The line went dead");
  await page.getByLabel("Text in Markdown").fill("Hello?\n\n<script>alert(1)</script>");
  await page.context().setOffline(true);
  await page.getByText("You are offline.").waitFor();
  await page.context().setOffline(false);
  let isLost = false;
  await page.route("**/v1/articles", async (route) => {
    if (isLost || route.request().method() !== "POST") return route.continue();
    isLost = true;
    await route.fetch(); // it arrives, and its answer does not
    await route.abort();
  });
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("The server cannot be reached.").waitFor();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("On its way").waitFor();
  const articles = await demo.send("GET", "/v1/articles?state=any&q=dead&fields=title");
  assert.equal(articles.data.length, 1);
  // a refusal leaves the dialog open, with what was typed
  await page.getByRole("button", { name: "Return…" }).click();
  const dialog = page.getByRole("dialog", { name: "Return" });
  await dialog.getByRole("textbox").fill("A long note, which took a while.");
  await page.context().setOffline(true);
  await dialog.getByRole("button", { name: "Return" }).click();
  await dialog.getByText("The server cannot be reached.").waitFor();
  assert.equal(await dialog.getByRole("textbox").inputValue(), "A long note, which took a while.");
  await page.context().setOffline(false);
  await dialog.getByRole("button", { name: "Return" }).click();
  await page.getByText("Returned to its writers.").waitFor();
  await page.getByRole("button", { name: "Schedule…" }).click();
  const schedule = page.getByRole("dialog", { name: "Schedule" });
  await schedule.getByLabel("Publish at").fill("2001-01-01T12:00:00");
  await schedule.getByRole("button", { name: "Schedule" }).click();
  await schedule.getByText(/future/).waitFor();
  await page.keyboard.press("Escape");
  await page.getByLabel("Text in Markdown").fill("Hello?\n\n<script>alert(1)</script>");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText(/without what texts may not contain: script/).waitFor();
});

test("two articles become public at once, and are undone at once", async (t) => {
  const page = await open(t, demo.desk);
  await signInWithKey(page, demo.key);
  const titles = ["The tide tables are late", "The tide is on time"];
  for (const title of titles) {
    const { id } = await demo.send("POST", "/v1/articles", { title, body: { markdown: "It comes twice a day." } });
    await page.goto(`${demo.desk}/#/article/${id}`);
    await page.getByRole("button", { name: "Add to a release…" }).click();
    const dialog = page.getByRole("dialog", { name: "Add revision 1" });
    if (title === titles[0]) await dialog.getByLabel("Name of a new one").fill("Tides");
    else await dialog.getByLabel("Release").selectOption("Tides");
    await dialog.getByRole("button", { name: "Add" }).click();
    await page.getByRole("link", { name: title }).waitFor();
  }
  await audit(page, "release");
  await page.getByRole("button", { name: "Preview link…" }).click();
  const preview = page.getByRole("dialog", { name: "A link to the release" });
  const token = new URL(await preview.getByRole("textbox").inputValue()).searchParams.get("release");
  await preview.getByRole("button", { name: "Close" }).click();
  const count = async (query = "") => {
    const { data } = await demo.send("GET", `/v1/articles?limit=50&fields=title${query}`, undefined, null);
    return data.filter(({ title }) => titles.includes(title)).length;
  };
  assert.deepEqual([await count(), await count(`&release=${token}`)], [0, 2]);
  await page.getByRole("button", { name: "Publish" }).click();
  await page.getByText("public since").waitFor();
  assert.equal(await count(), 2);
  await page.getByRole("button", { name: "Roll back" }).click();
  await page.getByText("Readers see what they saw before.").waitFor();
  assert.equal(await count(), 0);
  await page.getByRole("link", { name: "Releases" }).click();
  await page.getByRole("link", { name: "Tides" }).waitFor();
  await audit(page, "releases");
});

test("comments are moderated by keyboard alone", async (t) => {
  await demo.send("POST", "/v1/moderation/reasons", { title: "Advertising", texts: { en: "We remove advertising." } });
  const links = "https://a.example https://b.example https://c.example";
  const card = (name) => page.getByRole("listitem").filter({ hasText: `${name} thinks` });
  for (const name of ["Ann", "Bo", "Cyd", "Dee"]) await post("four-metres-of-quay", `${name} thinks: ${links}`, name);
  const page = await open(t, demo.desk);
  await signInWithKey(page, demo.key);
  await page.goto(`${demo.desk}/#/queue`);
  await card("Ann").and(page.locator(":focus")).waitFor();
  await audit(page, "queue");
  const decisions = [];
  page.on("request", (request) => request.method() === "POST" && decisions.push(request.postDataJSON().action));
  await page.keyboard.press("a"); // Ann
  await page.keyboard.press("u");
  await card("Ann").and(page.locator(":focus")).waitFor();
  await page.keyboard.press("j");
  await page.keyboard.press("r"); // Bo
  await page.keyboard.press("s"); // Cyd
  await page.keyboard.press("d"); // Dee
  await page.getByRole("dialog", { name: "Remove" }).waitFor();
  await page.keyboard.press("1"); // the canned reason
  await page.keyboard.press("a"); // Ann
  await page.getByText("0 to decide").waitFor();
  await post("four-metres-of-quay", `Eve thinks: ${links}`, "Eve"); // arrives by the live stream
  await card("Eve").waitFor();
  await page.keyboard.press("s");
  const fay = await post("four-metres-of-quay", `Fay thinks: ${links}`, "Fay");
  await card("Fay").waitFor();
  await demo.send("POST", `/v1/comments/${fay.id}/reject`, {}); // by somebody else
  await card("Fay").waitFor({ state: "detached" });
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: "Articles" }).click(); // sends what could still be undone
  const log = await until(async () => {
    const { data } = await demo.send("GET", "/v1/moderation/log?fields=action,note");
    const found = data.filter(({ action }) => ["approve", "reject", "spam", "remove"].includes(action));
    return found.length === 6 && found.map(({ action, note }) => `${action} ${note ?? ""}`.trim());
  });
  assert.deepEqual(log.sort(), ["approve", "reject", "reject", "remove We remove advertising.", "spam", "spam"]);
  assert.deepEqual(decisions.sort(), ["approve", "reject", "remove", "spam", "spam"]);
});

test("a person is looked at, banned, and the ban undone", async (t) => {
  const { author } = await post("four-metres-of-quay", "I sell watches, and nothing else.", "Watch Man");
  const page = await open(t, demo.desk);
  await signInWithKey(page, demo.key);
  await page.goto(`${demo.desk}/#/commenter/${author.id}`);
  await page.getByText("I sell watches").waitFor();
  await page.getByLabel("For moderators").fill("The third of this kind.");
  await page.getByRole("button", { name: "Add the note" }).click();
  await page.getByText("The third of this kind.").waitFor();
  await page.getByRole("button", { name: "Ban or remove…" }).click();
  const dialog = page.getByRole("dialog", { name: "What to do about Watch Man" });
  await dialog.getByLabel("Ban").selectOption("Shadow ban: show it to them alone");
  await dialog.getByLabel("Days").fill("7");
  await dialog.getByLabel("Remove all comments").check();
  await dialog.getByLabel("Reason").fill("Advertising.");
  await dialog.getByRole("button", { name: "Do it" }).click();
  await page.getByText(/^shadow ban/).waitFor();
  await audit(page, "commenter");
  const read = () => demo.send("GET", `/v1/moderation/people/${author.id}`);
  await until(async () => (await read()).comments.removed === 1);
  await page.reload();
  await page.getByRole("button", { name: "Undo" }).click();
  await until(async () => (await read()).comments.removed === 0 || !(await read()).comments.removed);
});

test("thirty comments are thirty keys and thirty requests", async (t) => {
  const { id } = await demo.send("POST", "/v1/articles", { title: "Thirty opinions", body: { markdown: "On everything." } });
  await demo.send("POST", `/v1/articles/${id}/publish`);
  await demo.send("PUT", `/v1/articles/${id}/discussion`, { moderation: "pre" });
  for (let n = 1; n <= 30; n++) await post(id, `Opinion number ${n} is this one.`, `Reader ${n}`);
  const page = await open(t, demo.desk);
  await signInWithKey(page, demo.key);
  const calls = [];
  const times = [];
  page.on("request", (request) => request.url().includes("/v1/") && request.method() !== "OPTIONS" && calls.push(request));
  page.on("requestfinished", (request) => {
    if (request.method() === "POST") times.push(request.timing().responseEnd);
  });
  await page.goto(`${demo.desk}/#/queue`);
  await page.getByText("30 to decide").waitFor();
  const started = performance.now();
  for (let n = 0; n < 30; n++) await page.keyboard.press(n % 3 ? "a" : "r");
  await page.getByText("0 to decide").waitFor();
  const pressed = performance.now() - started;
  while (times.length < 30) await page.waitForEvent("requestfinished");
  const posts = calls.filter((request) => request.method() === "POST");
  assert.equal(posts.length, 30);
  times.sort((one, other) => one - other);
  t.diagnostic(
    `30 keys in ${Math.round(pressed)} ms; requests: ${posts.length} decisions, ${calls.length - posts.length} reads; ` +
      `a decision is answered after ${Math.round(times[15])} ms (median), ${Math.round(times.at(-1))} ms (slowest), and nobody waits for it`,
  );
  const { data } = await demo.send("GET", `/v1/articles/${id}/comments?limit=100&fields=id`, undefined, null);
  assert.equal(data.length, 20);
});
