// Releases: changes of several articles that become public at once, and are undone at once.
import { all, call, get, post, remove } from "./api.js";
import { action, actions, ask, field, h, list, section, tag, time, timeField, toTime } from "./dom.js";

const PATH = "/v1/releases";
const nameField = () => field("Name", { name: "name", required: true, autofocus: true });
const OPEN = ["open", "failed"]; // states in which a release is changed

export async function listReleases({ me, signal }) {
  const open = ({ id }) => (location.hash = `#/release/${id}`);
  const make = action("New release…", async (values) => open(await post(PATH, values)), { fields: nameField, done: null });
  const drawRow = ({ id, name, items, state, scheduled_at: due, published_at: since, rolled_back_at: undone, actor_name: by }) => {
    const at = undone ?? since ?? due;
    return [[h("a", { href: `#/release/${id}` }, name), h("small", by)], `${items} changes`, [tag(state), at && time(at)]];
  };
  const releases = await list(PATH, drawRow, { read: (path) => get(path, { signal }), columns: ["Name", "Holds", "State"] });
  return [me.may("content:write") && actions(make), releases.elements];
}

export async function showRelease({ me, signal, parts: [id], redraw }) {
  const path = `${PATH}/${id}`;
  const { data: release, version } = await call("GET", path, { signal });
  const { name, state, scheduled_at: due, published_at: since, rolled_back_at: undone, failure } = release;
  const isOpen = OPEN.includes(state);
  const [writes, publishes] = [me.may("content:write"), me.may("content:publish")];
  const [items, check] = await Promise.all([
    all(`${path}/items`, { signal }),
    isOpen && writes && post(`${path}/check`, undefined, { signal }),
  ]);
  const step = (label, method, part, done, options = {}) =>
    action(label, (values) => call(method, path + part, { body: options.body?.(values), version }).finally(redraw), { ...options, done });

  async function linkPreview() {
    const [{ token, expires_at: until }, site] = await Promise.all([post(`${path}/previews`, {}), get("/v1/site?fields=url")]);
    const address = { value: `${site.url}/?release=${token}`, readonly: true };
    const told = h("p", "It ends ", time(until), ". The front end has to pass ", h("code", "release"), " on to the API.");
    await ask("A link to the release", [field("Whoever has this address may read the site as it will be", address), told]);
  }

  function drawItem({ id: item, op, article, revision, title, front, notice, redirect }) {
    const what = article ? h("a", { href: `#/article/${article}` }, title ?? "An article") : (front ?? notice ?? redirect ?? "new");
    const problems = (check?.problems ?? []).filter((problem) => problem.item === item);
    const leave = () => remove(`${path}/items/${item}`, undefined, { version }).finally(redraw);
    return h(
      "li",
      h("p", `${op.replaceAll("_", " ")}: `, what, revision && h("small", ` revision ${revision}, whatever is saved later`)),
      problems.map(({ detail, severity }) => h("p", { class: severity === "error" ? "wrong" : "" }, detail)),
      isOpen && writes && action("Leave out", leave),
    );
  }

  const whenOf = ({ at }) => ({ at: toTime(at) });
  const whenField = () => timeField("Publish at", Date.now() + 3_600_000, { name: "at", required: true });
  return [
    h("h2", name),
    h(
      "p",
      tag(state),
      due && ["goes public ", time(due), ". "],
      since && ["public since ", time(since), ". "],
      undone && ["rolled back ", time(undone), "."],
    ),
    failure && h("p.wrong", failure.detail),
    !publishes && h("p", h("small", "You cannot publish: none of your roles includes it.")),
    actions(
      publishes && isOpen && step("Publish", "POST", "/publish", "Published: readers see all of it now."),
      publishes && isOpen && step("Schedule…", "PUT", "/schedule", "Scheduled.", { fields: whenField, body: whenOf }),
      publishes && state === "scheduled" && step("Do not publish then", "DELETE", "/schedule", "Not scheduled any more."),
      publishes && state === "published" && step("Roll back", "POST", "/rollback", "Readers see what they saw before."),
      writes && action("Preview link…", linkPreview, { done: null }),
      isOpen && writes && action("Delete", async () => (await remove(path, undefined, { version }), (location.hash = "#/releases"))),
    ),
    section(
      "What it changes",
      h("p", h("small", "Articles are added on their own page, with the revision that is shown there.")),
      h("ol.rows", items.map(drawItem)),
      items.length === 0 && h("p", "Nothing yet."),
    ),
  ];
}

/** A button that adds the shown revision of an article to a release, or to a new one. */
export function addToRelease(current) {
  return action(
    "Add to a release…",
    async () => {
      const { article } = current();
      const releases = (await all(PATH)).filter(({ state }) => OPEN.includes(state));
      const names = Object.fromEntries(releases.map(({ id, name }) => [id, name]));
      const fields = [
        field("Release", { name: "release" }, { ...names, "": "A new one" }),
        field("Name of a new one", { name: "name", value: article.title }),
      ];
      await ask(`Add revision ${article.editing.latest_revision}`, fields, { go: "Add" }, async ({ release, name }) => {
        const id = release ?? (await post(PATH, { name })).id;
        const item = { op: "publish", article: article.id, revision: article.editing.latest_revision };
        await post(`${PATH}/${id}/items`, { items: [item] }, { version: "*" }); // an item that is there is replaced
        location.hash = `#/release/${id}`;
      });
    },
    { done: null },
  );
}
