// The frame of the desk: who is signed in, and which view the address asks for.
import { get, readSession } from "./api.js";
import { attempt, button, h, say } from "./dom.js";
import { listArticles } from "./articles.js";
import { showCommenter } from "./commenter.js";
import { editArticle } from "./editor.js";
import { moderateQueue } from "./moderation.js";
import { acceptInvitation, finishRedirect, signIn, signOut } from "./sign-in.js";

const VIEWS = {
  "sign-in": { title: "Sign in", view: signIn, isPublic: true },
  invitation: { title: "Invitation", view: acceptInvitation, isPublic: true },
  articles: { title: "Articles", view: listArticles },
  article: { title: "Article", view: editArticle },
  commenter: { title: "Commenter", view: showCommenter },
  queue: { title: "Moderation", view: moderateQueue },
};
const LINKS = { articles: ["content:read", "content:write"], queue: ["comments:moderate"] };
let leave = new AbortController();
let me;

/** Read who is signed in, and what they may do. */
async function identify() {
  if (!readSession()) return undefined;
  const answer = await get("/v1/whoami");
  return { ...answer, may: (scope) => answer.scopes.includes(scope) || answer.scopes.includes("admin") };
}

/** Draw the view of the address; whatever the last one had open (streams, locks, timers) ends by its signal. */
async function show() {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  me ??= await identify();
  const [name, ...parts] = location.hash.slice(2).split("/").map(decodeURIComponent);
  const home = Object.keys(LINKS).find((link) => LINKS[link].some((scope) => me?.may(scope))) ?? "articles";
  const { title, view, isPublic } = VIEWS[name] ?? {};
  if (!view || (isPublic && name === "sign-in" && me)) return location.replace(`#/${home}`);
  if (!isPublic && !me) return location.replace("#/sign-in");
  const main = document.getElementById("main");
  document.title = `${title} · Desk`;
  drawHeader(name);
  const content = await view({ me, signal, parts, redraw: () => attempt(show) });
  if (signal.aborted) return;
  main.replaceChildren(h("h1", { tabindex: "-1" }, title), ...[content].flat());
  (main.querySelector("[autofocus]") ?? main.querySelector("h1")).focus();
}

function drawHeader(current) {
  const link = (name) =>
    h("a", { href: `#/${name}`, "aria-current": name === current && "page" }, VIEWS[name].title);
  const links = Object.keys(LINKS).filter((name) => LINKS[name].some((scope) => me?.may(scope)));
  const signedIn = me && [
    h("nav", { "aria-label": "Desk" }, links.map(link)),
    h("span", {}, me.name),
    button("Sign out", () => (leave.abort(), signOut())),
  ];
  document.getElementById("header").replaceChildren(h("strong", {}, "Desk"), ...(signedIn ?? []));
}

addEventListener("hashchange", () => attempt(show));
addEventListener("signed-in", () => {
  me = undefined;
  attempt(show);
});
addEventListener("signed-out", () => {
  me = undefined;
  say("You are signed out.");
  location.hash = "#/sign-in";
});
addEventListener("storage", ({ key }) => {
  if (key !== "desk.session" || Boolean(readSession()) === Boolean(me)) return; // renewed by another tab
  me = undefined;
  attempt(show);
});
attempt(async () => {
  await finishRedirect();
  await show();
});
