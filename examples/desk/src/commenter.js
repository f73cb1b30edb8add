// Somebody who comments, as moderators see them: what they wrote, bans, notes, and what to do about all of it at once.
import { get, post } from "./api.js";
import { ask, button, field, form, h, say, time } from "./dom.js";

const BANS = { "": "No ban", full: "Ban: refuse what they send", shadow: "Shadow ban: show it to them alone" };
const DAY_MS = 86_400_000;

export async function showCommenter({ signal, parts: [id], redraw }) {
  const path = `/v1/moderation/people/${id}`;
  const lists = ["", "/comments?limit=50", "/notes?limit=20", "/actions?limit=10"];
  const [person, comments, notes, actions] = await Promise.all(lists.map((list) => get(path + list, { signal })));

  const act = async () => {
    const answer = await ask(
      `What to do about ${person.name}`,
      [
        field("Ban", { tag: "select", name: "ban" }, Object.entries(BANS).map(([value, label]) => h("option", { value }, label))),
        field("Days", { name: "days", type: "number", min: 1, hint: "Empty: without an end." }),
        h("label", {}, h("input", { type: "checkbox", name: "all" }), " Remove all comments"),
        field("Reason, told to the author", { name: "reason", maxlength: 2000 }),
      ],
      { act: "Do it" },
    );
    if (!answer) return;
    const { ban, days, all, reason } = answer;
    const until = ban && days ? new Date(Date.now() + days * DAY_MS).toISOString() : null;
    await post(`${path}/actions`, { ban: ban || null, until, remove_all: Boolean(all), reason: reason || null });
    say("Done. Comments are removed one after the other.");
    redraw();
  };
  const undo = async (action) => {
    await post(`${path}/actions/${action.id}/undo`);
    redraw();
  };

  const tallies = Object.entries(person.comments).map(([state, count]) => `${count} ${state}`);
  const bans = person.bans.map((ban) => h("li", {}, "From ", time(ban.created_at), ban.until && [" until ", time(ban.until)], ban.reason && `: ${ban.reason}`));
  return [
    h("h2", {}, person.name),
    h("p", {}, `${tallies.join(", ") || "No comments"}; reported ${person.reports_of} times; sent ${person.reports_by} reports.`),
    h("p", { class: "actions" }, button("Ban or remove…", act)),
    bans.length > 0 && [h("h3", {}, "Bans"), h("ul", {}, bans)],
    actions.data.length > 0 && h("h3", {}, "Done so far"),
    actions.data.map((action) =>
      h(
        "p",
        {},
        `${action.ban ?? "no"} ban, comments removed: ${action.removed}, ${action.state}, `,
        time(action.created_at),
        " ",
        action.state === "done" && button("Undo", () => undo(action)),
      ),
    ),
    h("h3", {}, "Notes"),
    notes.data.map(({ text, created_at: at }) => h("p", { class: "words" }, text, " ", h("small", {}, time(at)))),
    form(
      async ({ text }) => {
        await post(`${path}/notes`, { text });
        redraw();
      },
      field("For moderators", { name: "text", required: true }),
      h("button", {}, "Add the note"),
    ),
    h("h3", {}, "Comments"),
    h(
      "ol",
      { class: "notes" },
      comments.data.map(({ text, state, article, created_at: at }) =>
        h("li", {}, h("p", { class: "words" }, text), h("small", {}, `${state}, on ${article.title}, `, time(at))),
      ),
    ),
  ]
    .flat(2)
    .filter(Boolean);
}
