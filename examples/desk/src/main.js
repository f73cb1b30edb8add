// The frame of the desk: who is signed in, and which view the address asks for.
import { all, get, readSession } from "./api.js";
import { action, attempt, button, h, say } from "./dom.js";
import { showAccount } from "./account.js";
import { listArticles } from "./articles.js";
import { showCommenter } from "./commenter.js";
import { editArticle } from "./editor.js";
import { moderateQueue } from "./moderation.js";
import { listPeople } from "./people.js";
import { listReleases, showRelease } from "./releases.js";
import { acceptInvitation, finishRedirect, signIn, signOut } from "./sign-in.js";
import { listTasks } from "./tasks.js";

const VIEWS = {
  "sign-in": { title: "Sign in", view: signIn, isPublic: true },
  invitation: { title: "Invitation", view: acceptInvitation, isPublic: true },
  articles: { title: "Articles", view: listArticles, scopes: ["content:read", "content:write"] },
  article: { title: "Article", view: editArticle },
  tasks: { title: "Tasks", view: listTasks, scopes: ["content:read", "content:write"] },
  releases: { title: "Releases", view: listReleases, scopes: ["content:read", "content:write"] },
  release: { title: "Release", view: showRelease },
  queue: { title: "Moderation", view: moderateQueue, scopes: ["comments:moderate"] },
  commenter: { title: "Commenter", view: showCommenter },
  people: { title: "People", view: listPeople, scopes: ["content:write", "comments:moderate"] },
  account: { title: "Account", view: showAccount },
};
const WANTED = "desk.wanted"; // the address that somebody asked for before signing in
let leave = new AbortController();
let me;

/** Read who is signed in, and what they may do where. */
async function identify() {
  if (!readSession()) return undefined;
  const [answer, sections] = await Promise.all([get("/v1/whoami"), all("/v1/sections?fields=id,slug,name,parent")]);
  const parents = Object.fromEntries(sections.map(({ id, parent }) => [id, parent?.id]));
  /** Whether the person has a scope anywhere, or in a section (null: for what has none) by a role for what it is in. */
  const may = (scope, section) =>
    answer.grants.some(({ scopes, sections: limits }) => {
      if (!scopes.includes(scope) && !scopes.includes("admin")) return false;
      if (!limits || section === undefined) return true;
      for (let id = section?.id; id; id = parents[id]) if (limits.includes(id)) return true;
      return false;
    });
  return { ...answer, sections, may };
}

/** Draw the view of the address; whatever the last one had open (streams, locks, timers) ends by its signal. */
async function show() {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const main = document.getElementById("main");
  const redraw = () => attempt(show);
  let [name, ...parts] = location.hash.slice(2).split("/").map(decodeURIComponent);
  let content;
  try {
    me ??= await identify();
    const { view, isPublic } = VIEWS[name] ?? {};
    if (!isPublic && !me) {
      sessionStorage.setItem(WANTED, location.hash);
      return location.replace("#/sign-in");
    }
    if (!view || (name === "sign-in" && me)) {
      const wanted = sessionStorage.getItem(WANTED);
      sessionStorage.removeItem(WANTED);
      return location.replace(wanted || `#/${links()[0]}`);
    }
    content = await view({ me, signal, parts, redraw });
  } catch (error) {
    if (signal.aborted || !readSession() !== !me) return; // left, or signed out: another view is drawn
    content = [h("p", error.message), button("Try again", redraw)];
    if (!("status" in error)) console.error(error);
  }
  if (signal.aborted) return;
  const { title } = VIEWS[name] ?? { title: "Desk" };
  document.title = `${title} · Desk`;
  drawHeader(name);
  main.replaceChildren(h("h1", { tabindex: "-1" }, title), ...[content].flat(3).filter(Boolean));
  (main.querySelector("[autofocus]") ?? main.querySelector("h1")).focus();
}

/** The views that a person has a use for. */
const links = () => [...Object.keys(VIEWS).filter((name) => VIEWS[name].scopes?.some((scope) => me.may(scope))), "account"];

function drawHeader(current) {
  const link = (name) => h("a", { href: `#/${name}`, "aria-current": name === current && "page" }, VIEWS[name].title);
  const signedIn = me && [
    h("nav", { "aria-label": "Desk" }, links().map(link)),
    h("span", me.name),
    action("Sign out", () => (leave.abort(), signOut()), { done: null }),
  ];
  document.getElementById("header").replaceChildren(h("strong", "Desk"), ...(signedIn ?? []));
}

function changePerson() {
  me = undefined;
  attempt(show);
}
addEventListener("hashchange", () => attempt(show));
addEventListener("signed-in", changePerson);
addEventListener("signed-out", () => {
  say("You are signed out.");
  changePerson();
});
addEventListener("storage", ({ key }) => {
  if (key === "desk.session" && Boolean(readSession()) !== Boolean(me)) changePerson(); // else renewed by another tab
});
addEventListener("offline", () => say("You are offline. What you type stays here; save it once you are online again.", true));
addEventListener("online", () => say("You are online again."));
attempt(finishRedirect).then(() => attempt(show));
