// From a draft to readers: submitting, returning, approving, publishing now or at a time. Each step names the revision
// that was on the screen, and the version it was read with.
import { call, get, post } from "./api.js";
import { action, ask, field, h, section, tag, time, timeField, toTime } from "./dom.js";
import { addToRelease } from "./releases.js";
import { newTask } from "./tasks.js";

const HOUR_MS = 3_600_000;
const INSTEAD = "Submit the text, and an editor publishes it.";
const noteField = (required) => () =>
  field("Note to colleagues", { tag: "textarea", name: "note", rows: 4, required, maxlength: 4000, autofocus: true });
const whenField = () => timeField("Publish at", Date.now() + HOUR_MS, { name: "at", required: true });

/** Draw what can be done with an article; `current` gives what an action is about: the article as shown, and its version. */
export async function drawWorkflow({ me, path, article: shown, current, reload }) {
  const state = h("p");
  const reasons = h("div");
  const possible = h("p.actions");
  const steps = h("ol.rows", { "aria-label": "Steps so far" });
  const element = section("On its way", state, possible, reasons, steps);
  const task = await newTask(shown.id);

  /**
   * A button that sends one request about what is shown when it is pressed, not what others save while a note is typed,
   * and reads the article again whatever came of it.
   */
  function step(label, method, name, done, { fields, makeBody } = {}) {
    let asked;
    const run = async (values) => {
      const { article, version } = fields ? asked : current();
      const body = makeBody?.(article.editing.latest_revision, values);
      await call(method, `${path}/${name}`, { body, version }).finally(reload);
    };
    return action(label, run, { fields: fields && (() => ((asked = current()), fields())), done });
  }
  const withNote = (revision, { note }) => ({ revision, note });
  const withTime = (revision, { at }) => ({ revision, at: toTime(at) });

  async function linkPreview() {
    const { article } = current();
    const { token, expires_at: until } = await post(`${path}/previews`, { hours: 72 });
    const address = { value: `${article.url}?preview=${token}`, readonly: true };
    const told = h("p", "It ends ", time(until), ".");
    await ask("A link to the newest text", [field("Whoever has this address may read it", address), told]);
  }

  /** Why a step is not offered, or may be refused; the server decides. */
  function explain({ section: of, editing: { approval, latest_revision: latest } }, { required, four_eyes: needsAnother, roles }) {
    const isApproved = approval.state === "approved" && approval.revision === latest;
    const needed = `Readers see a text of ${of?.name ?? "no section"} only once it is approved`;
    const by = [roles && `by ${roles.join(" or ")}`, needsAnother && "by somebody who wrote none of it"].filter(Boolean).join(", ");
    return [
      !me.may("content:publish", of) && `You cannot publish here: none of your roles includes it. ${INSTEAD}`,
      required && !isApproved && [needed, by && `, ${by}`, "."].filter(Boolean).join(""),
    ];
  }

  async function update(article) {
    const { state: name, published_at: since, section: of, editing } = article;
    const { approval, scheduled_at: at, scheduled_revision: scheduled } = editing;
    const rulePath = of ? `/v1/sections/${of.id}/approval` : "/v1/approval";
    const [{ data }, { effective }] = await Promise.all([get(`${path}/approval?limit=10`), get(rulePath)]);
    state.replaceChildren(
      tag(name),
      ...(approval.state === "none" ? [] : [h(`span.tag.${approval.state}`, `revision ${approval.revision} ${approval.state}`)]),
      ...(at ? [` Revision ${scheduled} goes public `, time(at), "."] : []),
      ...(since ? [" Public since ", time(since), "."] : []),
    );
    const [writes, approves, publishes] = ["write", "approve", "publish"].map((scope) => me.may(`content:${scope}`, of));
    const buttons = [
      writes && step("Submit…", "POST", "submit", "Submitted.", { fields: noteField(false), makeBody: withNote }),
      approves && step("Return…", "POST", "return", "Returned to its writers.", { fields: noteField(true), makeBody: withNote }),
      approves && step("Approve…", "POST", "approve", "Approved.", { fields: noteField(false), makeBody: withNote }),
      publishes && step("Publish", "POST", "publish", "Published: readers see it now.", { makeBody: (revision) => ({ revision }) }),
      publishes && step("Schedule…", "PUT", "schedule", "Scheduled.", { fields: whenField, makeBody: withTime }),
      publishes && at && step("Do not publish then", "DELETE", "schedule", "Not scheduled any more."),
      publishes && name === "published" && step("Unpublish", "POST", "unpublish", "No longer public."),
      writes && [addToRelease(current), task],
      action("Preview link…", linkPreview, { done: null }),
    ];
    possible.replaceChildren(...buttons.flat().filter(Boolean));
    reasons.replaceChildren(...explain(article, effective).filter(Boolean).map((reason) => h("p", h("small", reason))));
    steps.replaceChildren(
      ...data.map(({ action: done, revision, by, at: when, note }) =>
        h("li", `${by} ${done} revision ${revision}, `, time(when), note && h("blockquote", note)),
      ),
    );
  }

  await update(shown);
  return { element, update };
}
