// A story told at the desk: invitation, draft, note, return, approval, schedule, public, comment, report, decision, appeal.
// Olga owns, Rea reports (by passkey), Edda edits (through a provider), Mo (by password and one-time codes) and Mia
// (by password) moderate; readers are outside and use the API.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, test } from "node:test";
import { audit, close, launch, open, until } from "./browser.mjs";
import { startDemo } from "./servers.mjs";

const PASSWORD = "eleven herring gulls at low tide";
const TITLE = "The bridge keeper's clock is eleven minutes fast";
const DRAFT = `The clock above the slow bridge has been wrong since the summer. Nobody has missed a ferry.

Tomasz Wren, who keeps the bridge, sets it by the gulls. *They come at low water*, and low water does not wait.`;
const CORRECTED = DRAFT.replace("since the summer", "since the fourth of June");

let demo;
let recoveryCode; // of Mo

before(async () => {
  demo = await startDemo({ RATE_LIMITS: "off", providerUser: "edda@harbour.example" });
  await launch();
});

after(async () => {
  await close();
  await demo?.stop();
});

const status = (page, text) => page.locator("#status").getByText(text).waitFor();
const press = (page, name, exact = true) => page.getByRole("button", { name, exact }).click();

/** Fill in a dialog of one field, if it has one, and confirm it. */
async function answer(page, title, choice, text) {
  const dialog = page.getByRole("dialog", { name: title });
  if (text) await dialog.getByRole("textbox").fill(text);
  await dialog.getByRole("button", { name: choice }).click();
}

const view = (page, name) => page.getByRole("navigation").getByRole("link", { name }).click();

/** Invite somebody with a role, as the owner does; return the address of the invitation. */
async function invite(owner, name, role, where = "Everything") {
  await view(owner, "People");
  await press(owner, "Invite…");
  const dialog = owner.getByRole("dialog", { name: "Invite", exact: true });
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByLabel("E-mail").fill(`${name.toLowerCase()}@harbour.example`);
  await dialog.getByLabel("Role").selectOption(role);
  await dialog.getByLabel("For").selectOption(where);
  await press(dialog, "Invite");
  const told = owner.getByRole("dialog", { name: "Invitation" });
  const address = await told.getByRole("textbox").inputValue();
  assert.ok(address.startsWith(`${demo.desk}/#/invitation/`), address);
  await press(told, "Close");
  return address;
}

const isRefused = (token) => demo.send("GET", "/v1/whoami", undefined, token).then(() => false, () => true);
const isIn = (page, name) => page.getByRole("banner").getByText(name, { exact: true }).waitFor();

/** Accept an invitation with a password; the desk is open then, in a browser of its own. */
async function arrive(t, name, url) {
  const page = await open(t, url, { mayRefuse: true });
  await page.getByLabel("Password").fill(PASSWORD);
  await press(page, "Set the password");
  await isIn(page, name);
  return page;
}

/** Sign in for the first time through the provider, which vouches for the invited address. */
async function arriveThroughProvider(t, name) {
  const page = await open(t, demo.desk, { mayRefuse: true });
  await press(page, "Sign in with Test");
  await isIn(page, name);
  assert.doesNotMatch(page.url(), /code|state/);
  return page;
}

/** The code that an authenticator app shows (RFC 6238); `steps` later than now. */
function makeCode(secret, steps = 0) {
  const bits = [...secret].map((char) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(char).toString(2).padStart(5, "0")).join("");
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const hash = createHmac("sha1", Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))).update(counter).digest();
  return String((hash.readUInt32BE(hash.at(-1) & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

async function signInWithPassword(page, name, code) {
  await page.getByLabel("E-mail").fill(`${name.toLowerCase()}@harbour.example`);
  await page.getByLabel("Password").fill(PASSWORD);
  await press(page, "Sign in");
  await page.getByLabel("Code").fill(code);
  await press(page, "Sign in");
  await isIn(page, name);
}

/** Set up one-time codes, keep a recovery code, and sign in with a code. */
async function useCodes(page, name) {
  await view(page, "Account");
  await press(page, "Set up…");
  const dialog = page.getByRole("dialog", { name: "One-time codes" });
  const secret = await dialog.getByRole("code").textContent();
  await dialog.getByLabel("Code").fill("000000");
  await press(dialog, "Confirm");
  await dialog.getByRole("alert").getByText(/code/i).waitFor(); // it is open still, with the secret
  await audit(page, "codes");
  await dialog.getByLabel("Code").fill(makeCode(secret));
  await press(dialog, "Confirm");
  const told = page.getByRole("dialog", { name: "Recovery codes" });
  [recoveryCode] = (await told.locator("pre").textContent()).split("\n");
  await audit(page, "recovery-codes");
  await press(told, "Close");
  await page.getByText("Asked for whenever").waitFor();
  await audit(page, "account");
  await press(page, "Sign out");
  await signInWithPassword(page, name, makeCode(secret, 1));
}

/** Accept an invitation with a passkey of an authenticator that Chromium plays, and sign in with it again. */
async function arriveWithPasskey(t, name, url) {
  const page = await open(t, url, { mayRefuse: true });
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  const kind = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true };
  const options = { ...kind, isUserVerified: true, automaticPresenceSimulation: true };
  await devtools.send("WebAuthn.addVirtualAuthenticator", { options });
  await audit(page, "invitation");
  await press(page, "Make a passkey instead");
  await isIn(page, name);
  await press(page, "Sign out");
  assert.doesNotMatch(await page.textContent("body"), /undefined/);
  await audit(page, "sign-in");
  await press(page, "Use a passkey");
  await isIn(page, name);
  return page;
}

test("invitation to appeal", { timeout: 600_000 }, async (t) => {
  // the first start prints an invitation of the owner, who invites the others
  const first = await open(t, demo.printed().match(/http\S+#\/invitation\/\S+/)[0]);
  await first.getByLabel("Password").fill(PASSWORD);
  await first.getByLabel("Your name").fill("Olga");
  await first.getByLabel("Your e-mail").fill("olga@harbour.example");
  await press(first, "Set the password");
  await isIn(first, "Olga");
  const { access_token: owner } = await first.evaluate(() => JSON.parse(localStorage.getItem("desk.session")));
  await demo.send("PUT", "/v1/sections/harbour/approval", { required: true, four_eyes: true }, owner);

  // invitation → draft
  const rea = await arriveWithPasskey(t, "Rea", await invite(first, "Rea", "Reporter", "Harbour"));
  await rea.getByRole("link", { name: "New article" }).click();
  await rea.getByLabel("Title").fill(TITLE);
  assert.deepEqual(await rea.getByLabel("Section").getByRole("option").allTextContents(), ["Ferries", "Harbour"]); // one is inside the other
  assert.equal(await rea.getByLabel("Section").inputValue(), "");
  await rea.getByLabel("Section").selectOption("Harbour");
  await rea.getByLabel("Text in Markdown").fill(DRAFT);
  await press(rea, "Save");
  await rea.frameLocator("iframe").locator("em", { hasText: "They come at low water" }).waitFor();
  assert.equal(await rea.getByRole("button", { name: "Publish" }).count(), 0, "reporters do not publish");
  await rea.getByText("You cannot publish here").waitFor();
  const address = rea.url();
  await press(rea, "Submit…");
  await answer(rea, "Submit", "Submit", "For the morning, if it can be.");
  await status(rea, "Submitted.");
  assert.equal(await rea.locator(":focus").textContent(), "Submit…"); // the focus is where it was
  await rea.getByLabel("Standfirst").fill("A town runs late, and is early.");

  // note → return
  await invite(first, "Edda", "Editor");
  await audit(first, "people");
  const edda = await arriveThroughProvider(t, "Edda");
  await edda.getByLabel("Show").selectOption("Submitted");
  await edda.getByText("submitted by Rea").waitFor();
  await audit(edda, "submitted");
  await edda.getByRole("link", { name: TITLE }).click();
  await edda.getByText("Rea has been editing this article").waitFor();
  await edda.frameLocator("iframe").locator("p").first().evaluate((paragraph) => {
    const at = paragraph.firstChild.data.indexOf("since the summer");
    getSelection().setBaseAndExtent(paragraph.firstChild, at, paragraph.firstChild, at + "since the summer".length);
  });
  await press(edda, "Note on the selection…");
  await answer(edda, "Add the note", "Add the note", "Since when exactly?");
  await edda.getByText("Since when exactly?").waitFor();
  await audit(edda, "note");
  await edda.getByText("only once it is approved, by somebody who wrote none of it").waitFor();
  await press(edda, "Publish");
  await edda.locator("#status").getByText(/not approved/).waitFor(); // the server decides, whatever the desk offers
  await press(edda, "Return…");
  await answer(edda, "Return", "Return", "One date is missing.");
  await status(edda, "Returned to its writers.");
  await press(edda, "New task…");
  const task = edda.getByRole("dialog", { name: "New task" });
  await task.getByLabel("What is to be done").fill("Ask Tomasz for the date");
  await task.getByLabel("By whom").selectOption("Rea");
  await press(task, "New task");
  await status(edda, "The task is there.");

  // an administrator ends Edda's sessions while she types: she signs in again, and goes on where she was
  const { data: staff } = await demo.send("GET", "/v1/people", undefined, owner);
  await edda.getByLabel("Standfirst").fill("Typed before the session ended.");
  await demo.send("DELETE", `/v1/people/${staff.find(({ name }) => name === "Edda").id}/sessions`, undefined, owner);
  const { access_token: ended } = await edda.evaluate(() => JSON.parse(localStorage.getItem("desk.session")));
  await until(() => isRefused(ended)); // within a second
  await press(edda, "Save");
  await press(edda, "Sign in with Test");
  await edda.getByText("Not saved", { exact: true }).waitFor();
  assert.equal(await edda.getByLabel("Standfirst").inputValue(), "Typed before the session ended.");
  await edda.getByLabel("Standfirst").fill("");

  // Rea answers the note; Edda's step was no save, so that her standfirst is no conflict
  await rea.getByLabel("Text in Markdown").fill(CORRECTED);
  await press(rea, "Save");
  await status(rea, "Saved.");
  await rea.getByText("One date is missing.").waitFor();
  await rea.getByLabel("Answer").fill("Since the fourth of June: he wrote it down.");
  await rea.getByLabel("Answer").press("Enter");
  await rea.getByText("he wrote it down").waitFor();
  await press(rea, "Done");
  await rea.getByText("Done, Rea").waitFor();
  await view(rea, "Tasks");
  await rea.getByText("Ask Tomasz for the date").waitFor();
  await audit(rea, "tasks");
  await press(rea, "Done");
  await rea.getByText("Nothing here.").waitFor();
  await rea.getByRole("link", { name: "Articles" }).click();
  await rea.getByRole("link", { name: TITLE }).click();
  await rea.getByText("Done, Rea").waitFor();
  await press(rea, "Submit…");
  await answer(rea, "Submit", "Submit");
  await status(rea, "Submitted.");

  // approval → schedule → public
  await edda.reload();
  await edda.getByText("revision 2 submitted").waitFor();
  await press(edda, "Approve…");
  await answer(edda, "Approve", "Approve", "Good.");
  await status(edda, "Approved.");
  await press(edda, "Schedule…");
  const dialog = edda.getByRole("dialog", { name: "Schedule" });
  const at = await edda.evaluate(() => new Date(Date.now() + 5_000 - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 19));
  await dialog.getByLabel("Publish at").fill(at);
  await dialog.getByRole("button", { name: "Schedule" }).click();
  await status(edda, "Scheduled.");
  await audit(edda, "approved");
  const slug = (await demo.send("GET", `/v1/articles/${address.split("/").at(-1)}?fields=slug`)).slug;
  const article = await until(() => demo.send("GET", `/v1/articles/${slug}?formats=text`, undefined, null).catch(() => null));
  assert.match(article.body.text, /since the fourth of June/);
  assert.equal(article.dek, "A town runs late, and is early.");
  assert.ok(!JSON.stringify(article).match(/Since when exactly|One date is missing|Rea|Edda/), "notes and names stay inside");

  // comment → report → decision
  const texts = { Hal: "He sets it by the kettle.", Ott: "Nobody in this town can read a clock. Buy watches at my shop!" };
  const comments = {};
  for (const [name, text] of Object.entries(texts)) {
    comments[name] = await demo.send("POST", `/v1/articles/${slug}/comments`, { text, author: { name } }, null);
  }
  const mo = await arrive(t, "Mo", await invite(first, "Mo", "Moderator"));
  await useCodes(mo, "Mo");
  await demo.send("POST", `/v1/comments/${comments.Ott.id}/reports`, { reason: "spam", text: "He sells watches." }, null);
  await mo.getByRole("listitem").filter({ hasText: "Buy watches" }).waitFor(); // by the live stream
  await audit(mo, "reported");
  await mo.getByRole("list", { name: "Comments" }).focus();
  await mo.keyboard.press("j");
  await mo.keyboard.press("r");
  await mo.getByText("0 to decide, 1 not sent yet").waitFor();
  await mo.getByText(/^0 to decide$/).waitFor();

  // appeal, decided by somebody else
  const author = comments.Ott.edit_token;
  const decision = await until(async () => {
    const found = await demo.send("GET", `/v1/comments/${comments.Ott.id}/decision`, undefined, author);
    return found.state === "rejected" && found;
  });
  assert.ok(decision.may_appeal);
  await demo.send("POST", `/v1/comments/${comments.Ott.id}/appeal`, { text: "It was a joke. I have no shop." }, author);
  const mia = await arrive(t, "Mia", await invite(first, "Mia", "Moderator"));
  await mia.getByLabel("Show").selectOption("Appeals");
  await mia.getByText("I have no shop.").waitFor();
  await audit(mia, "appeal");
  await mia.getByRole("list", { name: "Comments" }).focus();
  await mia.keyboard.press("a");
  await press(mia, "Sign out");
  await until(async () => (await demo.send("GET", `/v1/comments/${comments.Ott.id}/decision`, undefined, author)).state === "published");
});

test("a session is renewed without a word, and ends everywhere when it is signed out", async (t) => {
  const page = await open(t, demo.desk, { mayRefuse: true });
  await signInWithPassword(page, "Mo", recoveryCode);
  const read = () => page.evaluate(() => JSON.parse(localStorage.getItem("desk.session")));
  const before = await read();
  await page.evaluate((session) => localStorage.setItem("desk.session", JSON.stringify({ ...session, access_token: "ba_expired" })), before);
  await view(page, "Account");
  await page.getByText("This session").waitFor();
  const renewed = await read();
  assert.notEqual(renewed.refresh_token, before.refresh_token);
  await press(page, "Sign out");
  await page.getByLabel("E-mail").waitFor();
  await until(() => isRefused(renewed.access_token));
});
