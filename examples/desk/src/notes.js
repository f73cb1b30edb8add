// Notes of colleagues on a draft and its passages; readers never see them.
import { call, get, post } from "./api.js";
import { ask, button, field, form, h, say, time } from "./dom.js";

const MAX_CONTEXT = 40; // characters around a quote, which tell it from others like it

/** Draw the notes of an article; passages are selected and marked in its preview. */
export async function drawNotes({ me, path, preview }) {
  const list = h("ol", { class: "notes" });
  const element = h(
    "section",
    { "aria-labelledby": "notes-title" },
    h("h2", { id: "notes-title" }, "Notes"),
    list,
    me.may("content:write") && h("p", { class: "actions" }, button("Note on the selection…", () => add(readSelection(preview))), button("Note on all…", () => add())),
  );

  async function load() {
    const { data } = await get(`${path}/notes?limit=100`);
    const threads = data.filter(({ parent_id: parent }) => !parent);
    list.replaceChildren(...threads.map((note) => drawNote(note, data.filter(({ parent_id: parent }) => parent === note.id))));
    preview.mark(threads.filter(({ done, anchor }) => anchor && !done).map(({ anchor }) => anchor.exact));
  }

  async function add(anchor) {
    const title = anchor ? `Note on “${anchor.exact}”` : "Note";
    const text = { tag: "textarea", name: "text", rows: 4, required: true, autofocus: true };
    const answer = await ask(title, field("For colleagues", text), { add: "Add the note" });
    if (!answer) return;
    await post(`${path}/notes`, { text: answer.text, ...(anchor && { anchor }) });
    await load();
    say("Noted.");
  }

  function drawNote(note, answers) {
    const change = async (body) => {
      await call("PATCH", `/v1/notes/${note.id}`, { body, version: "*" });
      await load();
    };
    const reply = form(
      async ({ text }) => {
        await post(`${path}/notes`, { text, parent: note.id });
        await load();
      },
      field("Answer", { name: "text", required: true }),
    );
    return h(
      "li",
      { class: note.done ? "done" : "" },
      note.anchor && h("blockquote", {}, note.anchor.exact, note.anchor.state === "orphaned" && " (not in the text any more)"),
      [note, ...answers].map(({ by, text, created_at: at }) => h("p", {}, h("strong", {}, by), " ", h("small", {}, time(at)), h("br"), text)),
      note.done ? h("p", {}, h("small", {}, `Done, ${note.done_by}`)) : me.may("content:write") && [reply, button("Done", () => change({ done: true }))],
    );
  }

  await load();
  return { element, load };
}

/** The words selected in the preview, with what stands around them (W3C Web Annotation, TextQuoteSelector). */
function readSelection(preview) {
  const selection = preview.contentDocument.getSelection();
  const exact = selection.toString().trim();
  if (!exact) throw new Error("Select some words in the preview first.");
  const range = selection.getRangeAt(0);
  const block = range.startContainer.parentElement.closest("p, li, h1, h2, h3, h4, blockquote, td, body");
  const before = preview.contentDocument.createRange();
  before.setStart(block, 0);
  before.setEnd(range.startContainer, range.startOffset);
  return { exact, prefix: before.toString().slice(-MAX_CONTEXT) };
}
