// Who else is at an article: a soft lock says who types, and the newest revision whether somebody saved.
import { call, get, put } from "./api.js";
import { action, attempt, h, time } from "./dom.js";

const LOOK_MS = 15_000;
const LOCK_SECONDS = 60;

/** Draw who else edits; `touch` is called when something was typed here, which others are then told. */
export function drawPresence({ me, signal, path, isNewer, reload }) {
  const element = h("div.presence", { role: "status" });
  let isTyping = false;
  let lock = null;
  const isOthers = () => lock && lock.actor_id !== me.id;

  async function look() {
    if (document.visibilityState !== "visible" || !navigator.onLine) return;
    const newest = await get(`${path}?revision=latest&include=lock&fields=editing,lock`, { signal });
    ({ lock } = newest);
    if (isTyping && !isOthers()) await take();
    const { latest_revision: revision } = newest.editing;
    const readIt = action("Read it", () => reload().then(look), { done: null });
    const takeOver = action("Take over", () => take(true).then(look), { done: null });
    element.replaceChildren(
      ...(isOthers() ? [h("p", `${lock.by} has been editing this article since `, time(lock.since), ". ", takeOver)] : []),
      ...(isNewer(revision) ? [h("p", `There is a newer revision, ${revision}. `, readIt)] : []),
    );
  }

  async function take(force = false) {
    lock = await put(`${path}/lock`, { seconds: LOCK_SECONDS, force }, { signal });
  }

  function touch() {
    if (isTyping) return;
    isTyping = true;
    attempt(look);
  }

  const timer = setInterval(() => attempt(look), LOOK_MS);
  signal.addEventListener("abort", () => {
    clearInterval(timer);
    if (isTyping && !isOthers()) call("DELETE", `${path}/lock`, { keepalive: true }).catch(() => {}); // it expires
  });
  attempt(look);
  return { element, touch };
}
