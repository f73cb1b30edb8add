// Tasks: what is to be done by whom and when, for an article or not.
import { all, get, patch, post, remove } from "./api.js";
import { action, actions, attempt, field, form, h, list, time, timeField, toTime } from "./dom.js";

const FILTERS = { mine: "Mine", everybody: "Everybody's", done: "Done" };
const DAY_MS = 86_400_000;

/** The people of the staff, by id: tasks name them by that alone. */
async function readNames() {
  const people = await all("/v1/people?fields=id,name");
  return Object.fromEntries(people.map(({ id, name }) => [id, name]));
}

const taskFields = (names, { title, assignee, due_at: due } = {}) => [
  field("What is to be done", { name: "title", value: title, required: true, maxlength: 300, autofocus: true }),
  field("By whom", { name: "assignee", value: assignee }, { "": "Nobody yet", ...names }),
  timeField("Until", due ? Date.parse(due) : Date.now() + DAY_MS, { name: "due_at" }),
];
const taskOf = ({ title, assignee, due_at: due }) => ({ title, assignee: assignee ?? null, due_at: toTime(due) });

/** A button that makes a task, of an article if there is one. */
export async function newTask(article, after = () => {}) {
  const names = await readNames();
  const run = async (values) => (await post("/v1/tasks", { ...taskOf(values), article }), after());
  return action("New task…", run, { fields: () => taskFields(names), done: "The task is there." });
}

export async function listTasks({ me, signal }) {
  const [names, make] = await Promise.all([readNames(), newTask(undefined, () => tasks.load())]);
  const filters = form(
    () => tasks.load(),
    field("Show", { name: "show", value: me.person ? "mine" : "everybody", onchange: () => attempt(tasks.load) }, FILTERS),
  );
  const show = () => filters.elements.show.value;
  const parameters = () => ({ assignee: show() === "mine" && "me", done: show() === "done" ? "true" : "false" });
  const tasks = await list("/v1/tasks", drawTask, { read: (path) => get(path, { signal }), parameters });

  function drawTask(task) {
    const { title, article, assignee, due_at: due, done, done_by: by, version } = task;
    const path = `/v1/tasks/${task.id}`;
    const step = (label, run, options) => action(label, async (values) => run(values).finally(tasks.load), options);
    const send = (body) => patch(path, body, { version: `"v${version}"` });
    const isLate = !done && due && Date.parse(due) < Date.now();
    return [
      h("p", h("strong", title), article && [", ", h("a", { href: `#/article/${article.id}` }, article.title)]),
      h(isLate ? "p.wrong" : "p", names[assignee] ?? "Nobody yet", due && [", due ", time(due)], done && `, done by ${by}`),
      me.may("content:write") &&
        actions(
          step(done ? "Open again" : "Done", () => send({ done: !done }), { done: null }),
          step("Change…", (values) => send(taskOf(values)), { title: "Change the task", fields: () => taskFields(names, task) }),
          step("Delete", () => remove(path, undefined, { version: `"v${version}"` })),
        ),
    ];
  }

  return [h("div.filters", filters, me.may("content:write") && make), tasks.elements];
}
