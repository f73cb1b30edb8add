// The list of articles, by state.
import { get, query } from "./api.js";
import { attempt, button, field, form, h, time } from "./dom.js";

const FIELDS = "id,slug,title,state,revision,section.name,authors.name,editing";
const FILTERS = {
  "Everything": { state: "any" },
  "Drafts": { state: "draft" },
  "Submitted": { approval: "submitted" },
  "Returned": { approval: "returned" },
  "Approved": { approval: "approved" },
  "Scheduled": { state: "scheduled" },
  "Published": { state: "published" },
  "Published, with changes": { state: "published", changed: true },
  "Retracted": { state: "retracted" },
};

export async function listArticles({ me, signal }) {
  const rows = h("tbody");
  const filter = { state: "Everything", q: "" };
  const more = button("Show more", () => load(more.cursor), { hidden: true });

  async function load(cursor) {
    const page = await get(
      `/v1/articles${query({ ...FILTERS[filter.state], q: filter.q, sort: "-edited_at", limit: 30, fields: FIELDS, cursor })}`,
      { signal },
    );
    const shown = page.data.map(drawRow);
    if (cursor) rows.append(...shown);
    else rows.replaceChildren(...(shown.length ? shown : [h("tr", {}, h("td", { colspan: 4 }, "Nothing here."))]));
    more.cursor = page.page.next;
    more.hidden = !page.page.next;
  }

  const onchange = ({ target }) => {
    filter[target.name] = target.value;
    attempt(() => load());
  };
  const options = Object.keys(FILTERS).map((name) => h("option", {}, name));
  await load();
  const refresh = () => document.visibilityState === "visible" && attempt(() => load());
  document.addEventListener("visibilitychange", refresh, { signal });
  const filters = form(
    () => load(),
    field("Show", { tag: "select", name: "state", onchange }, options),
    field("Search", { type: "search", name: "q", onchange }),
    me.may("content:write") && h("a", { href: "#/article/new", class: "button" }, "New article"),
  );
  filters.className = "filters";
  return [
    filters,
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, ["Title", "Section", "State", "Edited"].map((name) => h("th", { scope: "col" }, name)))),
      rows,
    ),
    more,
  ];
}

function drawRow({ id, title, section, state, revision, authors, editing }) {
  const { approval } = editing;
  const waits = state === "published" && editing.latest_revision > revision;
  return h(
    "tr",
    {},
    h("td", {}, h("a", { href: `#/article/${id}` }, title), h("small", {}, authors.map(({ name }) => name).join(", "))),
    h("td", {}, section?.name),
    h("td", {}, h("span", { class: `tag ${state}` }, state), waits && " with changes", approval.state !== "none" && h("small", {}, `${approval.state} by ${approval.by}`)),
    h("td", {}, time(editing.edited_at)),
  );
}
