// The list of articles, by state.
import { get } from "./api.js";
import { attempt, field, form, h, list, tag, time } from "./dom.js";

const FIELDS = "id,slug,title,state,revision,section.name,authors.name,editing";
const FILTERS = {
  Everything: { state: "any" },
  Drafts: { state: "draft" },
  Submitted: { approval: "submitted" },
  Returned: { approval: "returned" },
  Approved: { approval: "approved" },
  Scheduled: { state: "scheduled" },
  Published: { state: "published" },
  "Published, with changes": { state: "published", changed: true },
  Retracted: { state: "retracted" },
};

export async function listArticles({ me, signal }) {
  const names = Object.keys(FILTERS);
  const onchange = () => attempt(articles.load);
  const filters = form(
    () => articles.load(),
    field("Show", { name: "show", onchange }, Object.fromEntries(names.map((name) => [name, name]))),
    field("Search", { type: "search", name: "q", onchange }),
    me.may("content:write") && h("a.button", { href: "#/article/new" }, "New article"),
  );
  filters.className = "filters";
  const { show, q } = filters.elements;
  const parameters = () => ({ ...FILTERS[show.value], q: q.value, sort: "-edited_at", fields: FIELDS });
  const read = (path) => get(path, { signal });
  const articles = await list("/v1/articles", drawRow, { read, parameters, columns: ["Title", "Section", "State", "Edited"] });
  const refresh = () => document.visibilityState === "visible" && attempt(articles.load);
  document.addEventListener("visibilitychange", refresh, { signal });
  return [filters, articles.elements];
}

function drawRow({ id, title, section, state, revision, authors, editing }) {
  const { approval, latest_revision: latest, edited_at: at } = editing;
  return [
    [h("a", { href: `#/article/${id}` }, title), h("small", authors.map(({ name }) => name).join(", "))],
    section?.name,
    [
      tag(state),
      state === "published" && latest > revision && " with changes",
      approval.state !== "none" && h("small", `${approval.state} by ${approval.by}`),
    ],
    time(at),
  ];
}
