// Who else is at an article: a soft lock says who types, and the newest revision whether somebody saved.
import { call, get } from "./api.js";
import { attempt, button, h, time } from "./dom.js";

const LOOK_MS = 15_000;
const LOCK_SECONDS = 60;

/** Draw who else edits; `touch` is called when something was typed here, which others are then told. */
export function drawPresence({ me, signal, path, current, reload }) {
  const element = h("div", { class: "presence", role: "status" });
  let isTyping = false;
  let lock = null;

  async function look() {
    if (document.visibilityState !== "visible") return;
    const newest = await get(`${path}?revision=latest&include=lock&fields=editing,lock`, { signal });
    ({ lock } = newest);
    if (isTyping && !isOthers()) await take();
    const isOld = newest.editing.latest_revision > current().editing.latest_revision;
    element.replaceChildren(
      ...(isOthers() ? [h("p", {}, `${lock.by} has been editing this article since `, time(lock.since), ". ", button("Take over", () => take(true)))] : []),
      ...(isOld ? [h("p", {}, `There is a newer revision, ${newest.editing.latest_revision}. `, button("Read it", () => reload()))] : []),
    );
  }

  const isOthers = () => lock && lock.actor_id !== me.id;

  async function take(force = false) {
    ({ data: lock } = await call("PUT", `${path}/lock`, { body: { seconds: LOCK_SECONDS, force }, signal }));
    if (force) await look();
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
