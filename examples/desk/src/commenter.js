// Somebody who comments, as moderators see them: what they wrote, bans, notes, and what to do about all of it at once.
import { get, post } from "./api.js";
import { action, actions, field, form, h, list, section, time } from "./dom.js";

const BANS = { "": "No ban", full: "Ban: refuse what they send", shadow: "Shadow ban: show it to them alone" };
const DAY_MS = 86_400_000;
const banFields = () => [
  field("Ban", { name: "ban" }, BANS),
  field("Days", { name: "days", type: "number", min: 1, hint: "Empty: without an end." }),
  h("label", h("input", { type: "checkbox", name: "all" }), " Remove all comments"),
  field("Reason, told to the author", { name: "reason", maxlength: 2000 }),
];

const noteField = () => field("For moderators", { name: "text", required: true });

export async function showCommenter({ signal, parts: [id], redraw }) {
  const path = `/v1/moderation/people/${id}`;
  const read = (part) => get(part, { signal });
  const [person, comments, notes, measures] = await Promise.all([
    read(path),
    list(`${path}/comments`, drawComment, { read }),
    list(`${path}/notes`, ({ text, created_at: at }) => [h("p.words", text), h("small", time(at))], { read }),
    list(`${path}/actions`, drawMeasure, { read }),
  ]);

  function drawComment({ text, state, article, created_at: at }) {
    return [h("p.words", text), h("small", `${state}, on ${article.title}, `, time(at))];
  }

  function drawMeasure({ id: measure, ban, removed, state, created_at: at }) {
    const undo = () => post(`${path}/actions/${measure}/undo`).finally(redraw);
    const what = `${ban ?? "no"} ban, comments removed: ${removed}, ${state}, `;
    return [what, time(at), " ", state === "done" && action("Undo", undo, { done: "Undone." })];
  }

  const act = async ({ ban, days, all, reason }) => {
    const until = ban && days ? new Date(Date.now() + days * DAY_MS).toISOString() : null;
    await post(`${path}/actions`, { ban: ban ?? null, until, remove_all: Boolean(all), reason: reason ?? null });
    redraw();
  };
  const drawBan = ({ created_at: since, until, reason }) =>
    h("li", "From ", time(since), until && [" until ", time(until)], reason && `: ${reason}`);
  const tallies = Object.entries(person.comments).map(([state, count]) => `${count} ${state}`).join(", ") || "No comments";
  const addNote = async (values) => (await post(`${path}/notes`, values), redraw());
  const done = "Done. Comments are removed one after the other.";
  const options = { title: `What to do about ${person.name}`, go: "Do it", fields: banFields, done };
  return [
    h("h2", person.name),
    h("p", `${tallies}; reported ${person.reports_of} times; sent ${person.reports_by} reports.`),
    actions(action("Ban or remove…", act, options)),
    person.bans.length > 0 && section("Bans", h("ul", person.bans.map(drawBan))),
    section("Done so far", measures.elements),
    section("Notes", notes.elements, form(addNote, noteField(), h("button", "Add the note"))),
    section("Comments", comments.elements),
  ];
}
