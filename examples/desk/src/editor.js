// Writing: an article's text in Markdown, its preview as the server renders it, and what to do when two people save.
import { call, get, post, query } from "./api.js";
import { ask, button, field, form, frame, h, say, time } from "./dom.js";
import { drawNotes } from "./notes.js";
import { drawPresence } from "./presence.js";
import { drawWorkflow } from "./workflow.js";

const WHOLE = query({ revision: "latest", formats: "html,markdown" });
const PARTS = { title: "Title", dek: "Standfirst", section: "Section", markdown: "Text" };
const NEW = { state: "new", title: "", dek: null, section: null, body: { markdown: "", html: "" } };

/** What the form edits of an article. */
const partsOf = ({ title, dek, section, body }) => ({
  title,
  dek: dek ?? "",
  section: section?.slug ?? "",
  markdown: body.markdown ?? "",
});
/** A change of some parts, as the API takes it. */
const changeOf = ({ markdown, dek, section, ...parts }) => ({
  ...parts,
  ...(dek !== undefined && { dek: dek || null }),
  ...(section !== undefined && { section: section || null }),
  ...(markdown !== undefined && { body: { markdown } }),
});

export async function editArticle({ me, signal, parts: [id] }) {
  const isNew = id === "new";
  const path = `/v1/articles/${id}`;
  const [sections, loaded] = await Promise.all([
    get("/v1/sections?limit=100&fields=slug,name", { signal }),
    isNew ? { data: NEW } : call("GET", path + WHOLE, { signal }),
  ]);
  let { data: article, version } = loaded;

  const canWrite = me.may("content:write");
  const initial = partsOf(article);
  const editor = form(
    save,
    field("Title", { name: "title", value: initial.title, required: true, maxlength: 300, readonly: !canWrite }),
    field("Standfirst", { name: "dek", value: initial.dek, readonly: !canWrite }),
    field(
      "Section",
      { tag: "select", name: "section", value: initial.section, disabled: !canWrite },
      h("option", { value: "" }, "None"),
      sections.data.map(({ slug, name }) => h("option", { value: slug }, name)),
    ),
    field("Text in Markdown", { tag: "textarea", name: "markdown", rows: 18, value: initial.markdown, readonly: !canWrite }),
    h("p", { class: "actions" }, canWrite && h("button", { "aria-keyshortcuts": "Control+S" }, "Save"), h("output")),
  );
  const preview = frame("Preview", article.body.html);
  const [workflow, notes] = isNew ? [] : await Promise.all([drawWorkflow({ me, path, current, reload }), drawNotes({ me, path, preview })]);
  const presence = isNew ? null : drawPresence({ me, signal, path, current: () => article, reload });

  /** Values of the form that differ from other ones: from what was saved, if none are given. */
  function changes(others = partsOf(article)) {
    const values = Object.keys(PARTS).map((name) => [name, editor.elements[name].value]);
    return Object.fromEntries(values.filter(([name, value]) => value !== others[name]));
  }

  function fill(parts) {
    for (const [name, value] of Object.entries(parts)) if (editor.elements[name].value !== value) editor.elements[name].value = value;
    showState();
  }

  function showState() {
    const count = Object.keys(changes()).length;
    editor.querySelector("output").replaceChildren(
      ...(count ? ["Not saved"] : isNew ? [] : [`Revision ${article.editing.latest_revision}, `, time(article.editing.edited_at)]),
    );
  }

  /** Take over what the server has now; keep what was typed here since then. */
  async function reload(mine = changes()) {
    ({ data: article, version } = await call("GET", path + WHOLE));
    fill({ ...partsOf(article), ...mine });
    preview.show(article.body.html);
    await Promise.all([workflow.update(article), notes.load()]);
  }

  async function save() {
    const mine = changes();
    const sent = changes({});
    if (isNew) {
      const created = await post("/v1/articles", changeOf(mine));
      forget();
      return location.replace(`#/article/${created.id}`);
    }
    if (!Object.keys(mine).length) return say("Nothing has changed.");
    try {
      ({ data: article, version } = await call("PATCH", path, { body: changeOf(mine), version }));
    } catch (error) {
      if (error.code !== "stale_version") throw error;
      return resolveConflict(mine);
    }
    forget();
    await reload(changes(sent)); // the server writes Markdown in its own way
    say("Saved.");
  }

  /** Somebody changed the article first. Where both changed the same part, the writer sees both and chooses. */
  async function resolveConflict(mine) {
    const [{ data: theirs, version: newest }, revisions] = await Promise.all([
      call("GET", path + WHOLE),
      get(`${path}/revisions?limit=1`),
    ]);
    const [was, now] = [partsOf(article), partsOf(theirs)];
    const both = Object.keys(mine).filter((name) => was[name] !== now[name] && mine[name] !== now[name]);
    let choice = "mine"; // a change of other parts, or a step such as a return, is not in the way
    if (both.length) {
      const [{ actor_name: who, created_at: at }] = revisions.data;
      const told = h("p", {}, who ?? "Somebody", " saved this article, ", time(at), ". Your text is not saved yet.");
      const choices = { merge: "Edit mine further", mine: "Save mine over theirs", theirs: "Discard mine" };
      const texts = both.map((name) => compare(PARTS[name], mine[name], now[name]));
      choice = (await ask("Somebody saved before you", [told, ...texts], choices))?.choice;
      if (!choice) return;
    }
    [article, version] = [theirs, newest];
    fill(choice === "theirs" ? now : { ...now, ...mine });
    if (choice === "mine") return save();
    preview.show(theirs.body.html);
    await Promise.all([workflow.update(article), notes.load()]);
  }

  // What is not saved survives leaving the page, and comes back with it.
  const kept = `desk.unsaved.${id}`;
  const forget = () => sessionStorage.removeItem(kept);
  const unsaved = JSON.parse(sessionStorage.getItem(kept));
  fill({ ...initial, ...unsaved });
  if (unsaved) say("Your text that was not saved is here again.");
  editor.addEventListener("input", () => {
    sessionStorage.setItem(kept, JSON.stringify(changes()));
    showState();
    presence?.touch();
  });
  const isShortcut = (event) => (event.ctrlKey || event.metaKey) && event.key === "s";
  const onkeydown = (event) => isShortcut(event) && (event.preventDefault(), canWrite && editor.requestSubmit());
  addEventListener("keydown", onkeydown, { signal });

  /** The revision that is shown, which actions are about; text that is not saved has none. */
  function current() {
    if (Object.keys(changes()).length) throw new Error("Save your text first.");
    return { article, version };
  }

  return h(
    "div",
    { class: "columns" },
    h("div", {}, presence?.element, editor),
    h("div", {}, h("section", { "aria-labelledby": "preview-title" }, h("h2", { id: "preview-title" }, "Preview"), preview), workflow?.element, notes?.element),
  );
}

/** Two versions of a part side by side; lines that only one of them has are marked. */
function compare(label, mine, theirs) {
  const side = (title, text, other) => {
    const lines = new Set(other.split("\n"));
    const marked = text.split("\n").map((line) => [h(lines.has(line) ? "span" : "mark", {}, line), "\n"]);
    return h("div", {}, h("h3", {}, title), h("pre", { tabindex: "0", "aria-label": title }, marked.flat()));
  };
  return h("div", { class: "columns" }, side(`${label}, yours`, mine, theirs), side(`${label}, theirs`, theirs, mine));
}
