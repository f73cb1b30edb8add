// The moderators' queue, decided by single keys: what waits is loaded ahead, and a decision is one request.
import { Problem, follow, get, post, query } from "./api.js";
import { actions, ask, attempt, button, field, h, say, time } from "./dom.js";

const UNDO_MS = 5_000; // a decision is sent after this time: its author is told at once, which nothing takes back
const PAGE = 50;
const REFILL_BELOW = 15;
const ARRIVALS = ["comment.pending", "comment.held", "comment.reported", "comment.appealed"];
const DECISIONS = { a: "approve", r: "reject", s: "spam", d: "remove" };
const DONE = {
  approve: "Approved",
  reject: "Rejected",
  spam: "Marked as spam",
  remove: "Removed",
  restore: "Restored",
  decline: "Appeal declined",
};
const KEYS = {
  j: "next comment",
  k: "previous comment",
  a: "approve",
  r: "reject",
  s: "spam",
  d: "remove, with a reason",
  u: "undo the last decision",
  p: "the person: all comments, bans, notes",
  "?": "this help",
};
const STATES = { "": "Waiting", reported: "Reported", appealed: "Appeals", rejected: "Rejected", spam: "Spam", removed: "Removed" };

export async function moderateQueue({ signal }) {
  let state = "";
  let cursor;
  let reachedEnd = false;
  let canned; // reasons
  const decided = new Set(); // ids which the server may still list
  const held = []; // decisions that can be undone: {action, words, card, timer}
  const items = h("ol.queue", { tabindex: "-1", onkeydown: pressKey, "aria-label": "Comments" });
  const rest = h("p", { role: "status" });

  const cards = () => [...items.children];
  const select = (card) => card?.focus();

  async function fill() {
    if (reachedEnd) return;
    const { data, page } = await get(`/v1/moderation/queue${query({ state, limit: PAGE, cursor })}`, { signal });
    cursor = page.next;
    reachedEnd = !cursor;
    const known = new Set([...decided, ...cards().map(({ item }) => item.id)]);
    items.append(...data.filter(({ id }) => !known.has(id)).map(drawCard));
    showRest();
  }

  function showRest() {
    const count = items.childElementCount;
    const unsent = held.length ? `, ${held.length} not sent yet (u takes back)` : "";
    rest.textContent = `${count}${reachedEnd ? "" : " or more"} to decide${unsent}`;
    if (!reachedEnd && count < REFILL_BELOW) attempt(fill);
  }

  /** What a key does: an appeal is granted by bringing the comment back, and declined. */
  const actionFor = (key, { comment, appeal }) => {
    if (key === "a" && comment.state === "removed") return "restore";
    return key === "r" && appeal ? "decline" : DECISIONS[key];
  };

  /** Take a card off the list; return the one after it, which has the focus if that one had it. */
  function takeOff(card) {
    const next = card.nextElementSibling ?? card.previousElementSibling;
    const isCurrent = [document.body, items].includes(document.activeElement) || card.contains(document.activeElement);
    card.remove();
    if (isCurrent) select(next ?? items);
    showRest();
    return next;
  }

  /** Take a comment off the list, and send the decision when it cannot be undone any more. */
  function decide(card, action, words) {
    if (!card.isConnected) return;
    const decision = { action, words, card };
    decided.add(card.item.id);
    held.push(decision);
    decision.next = takeOff(card);
    decision.timer = setTimeout(() => send(decision), UNDO_MS);
    say(`${DONE[action]}: ${card.item.comment.author.name}. Press u to undo.`);
  }

  async function send(decision, options) {
    const { action, words, card } = decision;
    const { id } = card.item;
    clearTimeout(decision.timer);
    held.splice(held.indexOf(decision), 1);
    showRest();
    await attempt(async () => {
      try {
        if (action === "decline") return void (await post(`/v1/comments/${id}/appeal/decline`, { ...words }, options));
        // one address for all decisions, so that the browser asks only once whether it may call it (CORS preflight)
        const { data } = await post("/v1/moderation/decisions", { ids: [id], action, ...words }, options);
        if (!data[0].done) throw new Problem(409, { detail: `Not decided: ${data[0].code.replaceAll("_", " ")}.` });
      } catch (error) {
        putBack(decision); // for example, another moderator has claimed it
        throw error;
      }
    });
  }

  function putBack({ card, next }) {
    decided.delete(card.item.id);
    if (next?.isConnected) next.before(card);
    else items.prepend(card);
    showRest();
  }

  function undo() {
    const decision = held.pop();
    if (!decision) return say("There is nothing to undo: decisions are sent after five seconds.");
    clearTimeout(decision.timer);
    putBack(decision);
    select(decision.card);
    say("Taken back.");
  }

  /** Remove a comment with a canned reason, by its number, or with one of one's own. */
  async function remove(card) {
    canned ??= (await get("/v1/moderation/reasons?limit=9")).data;
    const own = field("Reason, told to the author", { name: "reason", maxlength: 500, autofocus: true });
    const choices = Object.fromEntries(canned.map(({ id, title }, n) => [id, `${n + 1} ${title}`]));
    const answer = await ask("Remove", own, { own: "Remove", ...choices });
    select(card);
    if (answer) decide(card, "remove", answer.choice === "own" ? { reason: answer.reason } : { canned: answer.choice });
  }

  function pressKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    const card = event.target.closest("li.card") ?? items.firstElementChild;
    const { key } = event;
    if (key === "j") select(card?.nextElementSibling);
    else if (key === "k") select(card?.previousElementSibling);
    else if (key === "u") undo();
    else if (key === "?") showHelp();
    else if (card && key === "p") card.querySelector("a").click();
    else if (card && key in DECISIONS) press(card, key);
    else return;
    event.preventDefault();
  }
  const press = (card, key) => (key === "d" ? attempt(() => remove(card)) : decide(card, actionFor(key, card.item)));

  function drawCard(item) {
    const { comment, reasons, reports, appeal } = item;
    const { author, article, text, created_at: at } = comment;
    const why = [
      ...reasons.map(({ stage, detail }) => `${stage}: ${detail}`),
      ...Object.entries(reports.by_reason).map(([reason, count]) => `reported ${count} × ${reason}`),
    ];
    const card = h(
      "li.card",
      { tabindex: "-1" },
      h("p", h("a", { href: `#/commenter/${author.id}` }, author.name), ` on ${article.title}, `, time(at)),
      h("p.words", text),
      why.length > 0 && h("ul.reasons", { "aria-label": "Why it is here" }, why.map((reason) => h("li", reason))),
      reports.latest.filter((report) => report.text).map((report) => h("blockquote", report.text)),
      appeal && h("blockquote", h("strong", "Appeal: "), appeal.text),
      h("small", `${author.kind}, ${author.approved} approved, ${author.rejected} rejected`),
      actions(Object.keys(DECISIONS).map((key) => button(`${actionFor(key, item)} (${key})`, () => press(card, key)))),
    );
    return Object.assign(card, { item });
  }

  /** What others decided leaves the list; what arrives is looked for where it belongs, at the end. */
  async function listen() {
    for await (const { type, data: event } of follow("/v1/moderation/live", signal)) {
      const card = type === "comment.decided" && cards().find(({ item }) => item.id === event.data.id);
      if (card) takeOff(card);
      if (type !== "open" && !ARRIVALS.includes(type)) continue;
      reachedEnd = false;
      if (type === "open" || items.childElementCount < REFILL_BELOW) cursor = undefined;
      await (type === "open" ? fill() : showRest());
    }
  }

  async function showAll({ target }) {
    [state, cursor, reachedEnd] = [target.value, undefined, false];
    items.replaceChildren();
    await fill();
  }

  await fill();
  attempt(listen);
  addEventListener("pagehide", () => held.slice().forEach((decision) => send(decision, { keepalive: true })), { signal });
  signal.addEventListener("abort", () => held.slice().forEach((decision) => send(decision)));
  (items.firstElementChild ?? items).setAttribute("autofocus", "");
  const show = field("Show", { onchange: (event) => attempt(() => showAll(event)) }, STATES);
  return [h("div.filters", show, button("Keys (?)", showHelp)), rest, items];
}

const showHelp = () => ask("Keys", h("dl", Object.entries(KEYS).map(([key, what]) => [h("dt", h("kbd", key)), h("dd", what)])));
