// Writing: an article's text in Markdown, its preview as the server renders it, and what to do when two people save.
import { call, get, post } from "./api.js";
import { actions, ask, field, form, frame, h, say, section, time } from "./dom.js";
import { drawNotes } from "./notes.js";
import { drawPresence } from "./presence.js";
import { drawWorkflow } from "./workflow.js";

const PARTS = { title: "Title", dek: "Standfirst", section: "Section", markdown: "Text" };
const NEW = { state: "new", title: "", dek: null, section: undefined, body: { markdown: "", html: "" } };

/** What the form edits of an article, and a change of some of it as the API takes it. */
const partsOf = (article) => ({
  title: article.title,
  dek: article.dek ?? "",
  section: article.section?.slug ?? "",
  markdown: article.body.markdown,
});
const changeOf = ({ markdown, dek, section: of, ...parts }) => ({
  ...parts,
  ...(dek !== undefined && { dek: dek || null }),
  ...(of !== undefined && { section: of || null }),
  ...(markdown !== undefined && { body: { markdown } }),
});

export async function editArticle({ me, signal, parts: [id] }) {
  const isNew = id === "new";
  const path = `/v1/articles/${id}`;
  const read = () => call("GET", `${path}?revision=latest&formats=html,markdown`, { signal });
  let { data: article, version } = isNew ? { data: NEW } : await read();
  let base = partsOf(article); // what the form's changes are changes of
  let revision = article.editing?.latest_revision;

  // What is not saved survives leaving the page, and comes back with it and the version that it was written on.
  const keptFor = (article) => `desk.unsaved.${me.id}.${article}`;
  function keep(typed, of = id) {
    if (Object.keys(typed).length) sessionStorage.setItem(keptFor(of), JSON.stringify({ typed, base, revision, version }));
    else sessionStorage.removeItem(keptFor(of));
  }
  const unsaved = JSON.parse(sessionStorage.getItem(keptFor(id)));
  if (unsaved) ({ base, revision, version } = unsaved);

  const canWrite = me.may("content:write", article.section);
  const possible = me.sections.filter((of) => of.slug === base.section || me.may("content:write", of));
  const mayBeNone = me.may("content:write", null) || (!isNew && !base.section);
  const sections = { ...(mayBeNone && { "": "None" }), ...Object.fromEntries(possible.map(({ slug, name }) => [slug, name])) };
  const editor = form(
    save,
    field("Title", { name: "title", required: true, maxlength: 300, readonly: !canWrite }),
    field("Standfirst", { name: "dek", readonly: !canWrite }),
    field("Section", { name: "section", disabled: !canWrite, required: !mayBeNone }, sections),
    field("Text in Markdown", { tag: "textarea", name: "markdown", rows: 18, readonly: !canWrite }),
    actions(canWrite && h("button", { "aria-keyshortcuts": "Control+S" }, "Save"), h("output")),
  );
  fill({ ...base, ...unsaved?.typed });
  const preview = frame("Preview", article.body.html);
  const panels = () => [drawWorkflow({ me, path, article, current, reload }), drawNotes({ me, path, article, preview })];
  const [workflow, notes] = isNew ? [] : await Promise.all(panels());
  const presence = isNew ? null : drawPresence({ me, signal, path, isNewer: (other) => other > revision, reload });
  if (unsaved) say("Your text that was not saved is here again.");

  /** Values of the form that differ from others: from those of the version that it was written on, if none are given. */
  function changes(others = base) {
    const values = Object.keys(PARTS).map((name) => [name, editor.elements[name].value]);
    return Object.fromEntries(values.filter(([name, value]) => value !== others[name]));
  }

  function fill(parts) {
    for (const [name, value] of Object.entries(parts)) {
      if (editor.elements[name].value !== value) editor.elements[name].value = value; // else the cursor would move
    }
    showState();
  }

  function showState() {
    const isChanged = Object.keys(changes()).length;
    const saved = isNew ? [] : [`Revision ${revision}, `, time(article.editing.edited_at)];
    editor.querySelector("output").replaceChildren(...(isChanged ? ["Not saved"] : saved));
  }

  /** Show a version of the server, with what was typed on top of it. */
  async function show(newer, typed) {
    ({ data: article, version } = newer);
    [base, revision] = [partsOf(article), article.editing.latest_revision];
    fill({ ...base, ...typed });
    keep(changes());
    preview.show(article.body.html);
    await Promise.all([workflow.update(article), notes.load()]);
  }

  /**
   * Read what the server has now, and keep what was typed here. Where somebody else changed the same part, the writer
   * sees both and chooses. Returns the choice, which is `mine` where there was none to make; null if it was left open.
   */
  async function reload() {
    const newer = await read();
    const [mine, theirs] = [changes(), partsOf(newer.data)];
    const both = Object.keys(mine).filter((name) => base[name] !== theirs[name] && mine[name] !== theirs[name]);
    const choice = both.length ? await askWhich(both, mine, theirs) : "mine";
    if (choice) await show(newer, choice === "theirs" ? {} : mine);
    return choice;
  }

  async function askWhich(both, mine, theirs) {
    const [{ actor_name: who, created_at: at }] = (await get(`${path}/revisions?limit=1`)).data;
    const told = h("p", who ?? "Somebody", " saved this article, ", time(at), ". Your text is not saved yet.");
    const texts = both.map((name) => compare(PARTS[name], mine[name], theirs[name]));
    const choices = { merge: "Edit mine further", mine: "Keep mine instead of theirs", theirs: "Discard mine" };
    return (await ask("Somebody saved before you", [told, ...texts], choices))?.choice ?? null;
  }

  async function save() {
    const [mine, sent] = [changes(), changes({})];
    if (isNew) {
      const created = await call("POST", "/v1/articles", { body: changeOf(mine) });
      keep({});
      [base, revision, version] = [partsOf(created.data), 1, created.version];
      keep(changes(sent), created.data.id); // typed in the meantime
      return location.replace(`#/article/${created.data.id}`);
    }
    if (!Object.keys(mine).length) return say("Nothing has changed.");
    try {
      const saved = await call("PATCH", path, { body: changeOf(mine), version });
      await show(saved, changes(sent)); // the server writes Markdown in its own way
      const dropped = (saved.data.dropped ?? []).map(({ element, near }) => `${element} near “${near}”`);
      say(dropped.length ? `Saved, but without what texts may not contain: ${dropped.join(", ")}.` : "Saved.", dropped.length > 0);
    } catch (error) {
      if (error.code !== "stale_version") throw error;
      if ((await reload()) === "mine") await save(); // a change of other parts, or a step, is not in the way
    }
  }

  editor.addEventListener("input", () => {
    keep(changes());
    showState();
    presence?.touch();
  });
  const onkeydown = (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.key !== "s") return;
    event.preventDefault();
    if (canWrite) editor.requestSubmit();
  };
  addEventListener("keydown", onkeydown, { signal });
  addEventListener("beforeunload", (event) => Object.keys(changes()).length && event.preventDefault(), { signal });

  /** The revision that is shown, which actions are about; text that is not saved has none. */
  function current() {
    if (Object.keys(changes()).length) throw new Error("Save your text first.");
    return { article, version };
  }

  return h(
    "div.columns",
    h("div", presence?.element, editor),
    h("div", section("Preview", preview), workflow?.element, notes?.element),
  );
}

/** Two versions of a part side by side; lines that only one of them has are marked. */
function compare(label, mine, theirs) {
  const side = (title, text, other) => {
    const lines = new Set(other.split("\n"));
    const marked = text.split("\n").map((line) => [h(lines.has(line) ? "span" : "mark", line), "\n"]);
    return h("div", h("h3", title), h("pre", { tabindex: "0", "aria-label": title }, marked));
  };
  return h("div.columns", side(`${label}, yours`, mine, theirs), side(`${label}, theirs`, theirs, mine));
}
