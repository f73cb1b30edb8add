// From a draft to readers: submitting, returning, approving, publishing now or at a time. Each step names the revision
// that was on the screen, and the version it was read with.
import { call, get, post } from "./api.js";
import { ask, button, field, h, say, time } from "./dom.js";

/** Draw what can be done with an article; `current` gives the article and version that an action is about. */
export async function drawWorkflow({ me, path, current, reload }) {
  const state = h("p");
  const actions = h("p", { class: "actions" });
  const steps = h("ol", { class: "steps", "aria-label": "Steps so far" });
  const title = h("h2", { id: "workflow-title" }, "On its way");
  const element = h("section", { "aria-labelledby": "workflow-title" }, title, state, actions, steps);

  /** A button that sends one request about the shown version, and reads the article again. */
  const action = (label, method, step, makeBody, done) =>
    button(label, async () => {
      const { article, version } = current();
      const body = await makeBody?.(article.editing.latest_revision);
      if (body === null) return;
      await call(method, `${path}/${step}`, { body, version });
      await reload();
      say(done);
    });

  const askNote = (label, isRequired) => async (revision) => {
    const attributes = { tag: "textarea", name: "note", rows: 4, required: isRequired, maxlength: 4000, autofocus: true };
    const answer = await ask(label, field("Note to colleagues", attributes), { send: label });
    return answer && { revision, ...(answer.note && { note: answer.note }) };
  };
  const askTime = async (revision) => {
    const inAnHour = new Date(Date.now() + 3_600_000 - new Date().getTimezoneOffset() * 60_000);
    const attributes = { type: "datetime-local", step: 1, name: "at", value: inAnHour.toISOString().slice(0, 16), required: true };
    const answer = await ask("Schedule", field("Publish at", attributes), { schedule: "Schedule" });
    return answer && { at: new Date(answer.at).toISOString(), revision };
  };
  const linkPreview = async () => {
    const { token, expires_at: until } = await post(`${path}/previews`, { hours: 72 });
    const address = field("Whoever has this address may read it", {
      value: `${current().article.url}?preview=${token}`,
      readonly: true,
    });
    await ask("A link to the newest text", [address, h("p", {}, "It ends ", time(until), ".")], {});
  };

  async function update({ state: name, published_at: since, editing }) {
    const { approval, scheduled_at: at, scheduled_revision: scheduled } = editing;
    state.replaceChildren(
      h("span", { class: `tag ${name}` }, name),
      approval.state === "none" ? "" : h("span", { class: `tag ${approval.state}` }, `revision ${approval.revision} ${approval.state}`),
      ...(at ? [` Revision ${scheduled} goes public `, time(at), "."] : []),
      ...(since ? [" Public since ", time(since), "."] : []),
    );
    const isPublisher = me.may("content:publish");
    const possible = [
      me.may("content:write") && action("Submit…", "POST", "submit", askNote("Submit", false), "Submitted."),
      me.may("content:approve") && action("Return…", "POST", "return", askNote("Return", true), "Returned to its writers."),
      me.may("content:approve") && action("Approve…", "POST", "approve", askNote("Approve", false), "Approved."),
      isPublisher && action("Publish", "POST", "publish", (revision) => ({ revision }), "Published: readers see it now."),
      isPublisher && action("Schedule…", "PUT", "schedule", askTime, "Scheduled."),
      isPublisher && at && action("Do not publish then", "DELETE", "schedule", null, "Not scheduled any more."),
      isPublisher && name === "published" && action("Unpublish", "POST", "unpublish", null, "No longer public."),
      button("Preview link…", linkPreview),
    ];
    actions.replaceChildren(...possible.filter(Boolean));
    const { data } = await get(`${path}/approval?limit=10`);
    steps.replaceChildren(
      ...data.map(({ action: step, revision, by, at: when, note }) =>
        h("li", {}, `${by} ${step} revision ${revision}, `, time(when), note && h("blockquote", {}, note)),
      ),
    );
  }

  await update(current().article);
  return { element, update };
}
