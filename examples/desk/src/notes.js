// Notes of colleagues on a draft and its passages; readers never see them.
import { all, patch, post } from "./api.js";
import { action, actions, field, form, h, section, time } from "./dom.js";

const MAX_CONTEXT = 40; // characters around a quote, which tell it from others like it

/** Draw the notes of an article; passages are selected and marked in its preview. */
export async function drawNotes({ me, path, article, preview }) {
  const mayWrite = me.may("content:write", article.section);
  const items = h("ol.rows");
  const text = () => field("For colleagues", { tag: "textarea", name: "text", rows: 4, required: true, autofocus: true });
  const add = (label, findAnchor) => {
    let anchor;
    const fields = () => ((anchor = findAnchor?.()), [anchor && h("blockquote", anchor.exact), text()]);
    return action(label, (values) => write({ text: values.text, anchor }), { go: "Add the note", fields, done: "Noted." });
  };
  const ways = [add("Note on the selection…", () => readSelection(preview)), add("Note on all…")];
  const element = section("Notes", items, mayWrite && actions(ways));

  async function write(note) {
    await post(`${path}/notes`, note);
    await load();
  }

  async function load() {
    const notes = await all(`${path}/notes`);
    const threads = notes.filter(({ parent_id: parent }) => !parent);
    items.replaceChildren(...threads.map((note) => drawNote(note, notes.filter(({ parent_id: parent }) => parent === note.id))));
    preview.mark(threads.filter(({ done, anchor }) => anchor && !done).map(({ anchor }) => anchor.exact));
  }

  function drawNote(note, answers) {
    const { id, anchor, done, done_by: doneBy, version } = note;
    const finish = () => patch(`/v1/notes/${id}`, { done: true }, { version: `"v${version}"` }).finally(load);
    const reply = form((values) => write({ ...values, parent: id }), field("Answer", { name: "text", required: true }));
    const isLost = anchor?.state === "orphaned" && " (not in the text any more)";
    return h(
      "li",
      { class: done ? "done" : "" },
      anchor && h("blockquote", anchor.exact, isLost),
      [note, ...answers].map(drawText),
      done ? h("small", `Done, ${doneBy}`) : mayWrite && [reply, action("Done", finish, { done: null })],
    );
  }

  await load();
  return { element, load };
}

const drawText = ({ by, text, created_at: at }) => h("p.words", h("strong", by), " ", h("small", time(at)), "\n", text);

/** The words selected in the preview, with what stands before them (W3C Web Annotation, TextQuoteSelector). */
function readSelection(preview) {
  const selection = preview.contentDocument.getSelection();
  const exact = selection.toString().trim();
  if (!exact) throw new Error("Select some words in the preview first.");
  const range = selection.getRangeAt(0);
  const before = preview.contentDocument.createRange();
  before.setStart(range.startContainer.parentElement.closest("p, li, h1, h2, h3, h4, blockquote, td, body"), 0);
  before.setEnd(range.startContainer, range.startOffset);
  selection.removeAllRanges();
  return { exact, prefix: before.toString().slice(-MAX_CONTEXT) };
}
