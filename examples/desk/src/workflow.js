// From a draft to readers: publishing and its time.
import { call, post } from "./api.js";
import { ask, button, field, h, say, time } from "./dom.js";

/** Draw what can be done with an article; `current` gives the article and version that an action is about. */
export async function drawWorkflow({ me, signal, path, current, reload }) {
  const state = h("p");
  const actions = h("p", { class: "actions" });
  const element = h("section", { "aria-labelledby": "workflow-title" }, h("h2", { id: "workflow-title" }, "On its way"), state, actions);

  /** A button that sends one request about the shown version, and reads the article again. */
  const action = (label, method, step, makeBody, done) =>
    button(label, async () => {
      const { article, version } = current();
      const body = makeBody ? await makeBody(article) : undefined;
      if (body === null) return;
      await call(method, `${path}/${step}`, { body, version });
      await reload();
      say(done);
    });

  const askTime = async () => {
    const soon = new Date(Date.now() + 3_600_000 - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
    const answer = await ask("Schedule", field("Publish at", { type: "datetime-local", name: "at", value: soon, required: true }), {
      schedule: "Schedule",
    });
    return answer && { at: new Date(answer.at).toISOString(), revision: current().article.editing.latest_revision };
  };
  const newest = ({ editing }) => ({ revision: editing.latest_revision });

  const linkPreview = async () => {
    const { token, expires_at: until } = await post(`${path}/previews`, { hours: 72 });
    const address = `${current().article.url}?preview=${token}`;
    await ask("A link to the newest text", [
      field("Whoever has this address may read it", { value: address, readonly: true }),
      h("p", {}, "It ends ", time(until), "."),
    ], {});
  };

  async function update(article) {
    const { editing } = article;
    state.replaceChildren(
      h("span", { class: `tag ${article.state}` }, article.state),
      ...(editing.scheduled_at ? [` Revision ${editing.scheduled_revision} goes public `, time(editing.scheduled_at), "."] : []),
      ...(article.published_at ? [" Public since ", time(article.published_at), "."] : []),
    );
    actions.replaceChildren(
      ...[
        me.may("content:publish") && action("Publish", "POST", "publish", newest, "Published: readers see it now."),
        me.may("content:publish") && action("Schedule…", "PUT", "schedule", askTime, "Scheduled."),
        me.may("content:publish") && editing.scheduled_at && action("Do not publish then", "DELETE", "schedule", null, "Not scheduled any more."),
        me.may("content:publish") && article.state === "published" && action("Unpublish", "POST", "unpublish", null, "No longer public."),
        button("Preview link…", linkPreview),
      ].filter(Boolean),
    );
  }

  await update(current().article);
  return { element, update };
}
