/** The forms of a discussion: comments, reports, appeals and subscriptions. */

import { button, el, setAttribute } from "./dom.ts";
import { Field, Form, input, select } from "./form.ts";
import type { Close } from "./slot.ts";
import type { Session } from "./session.ts";
import type { Translation } from "./strings/index.ts";
import type { Client, Comment, NewComment, Notify, PostedComment, ReportReason, Rules } from "./types.ts";

const REASONS: readonly ReportReason[] = ["spam", "abuse", "illegal", "misinformation", "copyright", "other"];
const COUNT_FROM = 500; // characters left, from which on they are counted

/** What all forms need. */
export interface FormContext {
  api: Client;
  t: Translation;
  session: Session;
  rules: Rules;
  confirmUrl: string | null;
}

export interface CommentFormOptions {
  label: string;
  submit: string;
  /** The comment that is answered, or the passage that is commented on. */
  place: Pick<NewComment, "parent_id" | "anchor" | "anchor_id">;
  text?: string;
  /** Where the label of the text goes, if not above it. */
  head?: HTMLElement;
  onposted(comment: PostedComment, needsConfirmation: boolean): void;
  onforget(): void;
  oncancel?: (() => void) | undefined;
}

function makeTextField(context: FormContext, label: string, text: string): Field<HTMLTextAreaElement> {
  const { t, rules } = context;
  const control = el("textarea", { part: "input text", rows: 4, dir: "auto", maxlength: rules.max_length });
  control.value = text;
  const field = new Field(label, control, { pointer: "/text", required: true, hint: t.text("format") });
  const left = el("p", { class: "hint", "aria-live": "polite" });
  field.row.append(left);
  control.addEventListener("input", () => {
    const count = rules.max_length - control.value.length;
    left.textContent = count < COUNT_FROM ? t.text("characters", { count }) : "";
  });
  return field;
}

/** The fields in which a guest says who they are, and all say what they want to hear of. */
function makeAuthorFields(context: FormContext): { name: Field; email: Field; notify: Field } {
  const { t, session, rules } = context;
  const isKnown = session.name !== null;
  const name = new Field(
    t.text(session.isSignedIn ? "name" : "guest"),
    input("text", "name", { autocomplete: "name", maxlength: rules.max_name_length, dir: "auto" }),
    { pointer: "/author/name", required: true },
  );
  name.row.hidden = isKnown;
  const email = new Field(t.text("email"), input("email", "email", { autocomplete: "email" }), { pointer: "/author/email" });
  email.row.hidden = isKnown;
  const choices = (["none", "replies", "all"] as const).map((value) => [value, t.text(`notify.${value}`)] as const);
  const notify = new Field(t.text("notify"), select("notify", choices), { pointer: "/notify" });
  notify.control.addEventListener("change", () => {
    const isAddressNeeded = notify.value !== "none" && !session.isSignedIn;
    email.row.hidden = isKnown && !isAddressNeeded;
    email.options.required = isAddressNeeded;
    email.setLabel(t.text(isAddressNeeded ? "subscribe.email" : "email"));
  });
  return { name, email, notify };
}

function makeIdentityLine({ t, session }: FormContext, onforget: () => void): HTMLElement | null {
  if (session.name === null) return null;
  const line = el("p", { part: "identity" }, t.text("as", { name: session.name }));
  if (!session.isSignedIn) line.append(" ", button(t.text("forget"), "forget", onforget));
  return line;
}

/** Make the form of a comment, a reply, or a comment on a passage. */
export function makeCommentForm(context: FormContext, options: CommentFormOptions): Form {
  const { api, t, session } = context;
  const text = makeTextField(context, options.label, options.text ?? "");
  const { name, email, notify } = makeAuthorFields(context);
  const who = el("div", { class: "row" }, notify.row, name.row, email.row);
  options.head?.replaceChildren(text.label);
  return new Form(t, {
    part: "comment-form",
    label: options.label,
    fields: [text, notify, name, email],
    extra: [makeIdentityLine(context, options.onforget), who],
    submit: options.submit,
    oncancel: options.oncancel,
    onsubmit: async () => {
      const comment: NewComment = { ...options.place, text: text.value };
      const isNamed = session.isSignedIn && session.name !== null;
      if (!isNamed) comment.author = { name: session.name ?? name.value, email: (!email.row.hidden && email.value) || null };
      if (notify.value !== "none") comment.notify = notify.value as Notify;
      const posted = await api.postComment(comment);
      text.control.value = "";
      options.onposted(posted, notify.value !== "none" && !session.isSignedIn);
    },
  });
}

/** Make the form with which authors change their comment. */
export function makeEditForm(
  context: FormContext,
  comment: Comment,
  source: string,
  onsaved: (comment: Comment) => void,
  oncancel: () => void,
): Form {
  const { api, t } = context;
  const text = makeTextField(context, t.text("write.edit"), source);
  return new Form(t, {
    part: "edit-form",
    label: t.text("write.edit"),
    fields: [text],
    submit: t.text("save"),
    oncancel,
    onsubmit: async () => onsaved(await api.editComment(comment.id, text.value)),
  });
}

/** Make the form of a report on a comment, or on the article. */
export function makeReportForm({ api, t }: FormContext, comment: Comment | null, close: Close): Form {
  const reasons = REASONS.map((reason) => [reason, t.text(`reason.${reason}`)] as const);
  const reason = new Field(t.text("report.reason"), select("reason", reasons), { pointer: "/reason", required: true });
  const text = new Field(t.text("report.text"), el("textarea", { part: "input text", rows: 2, dir: "auto" }), {
    pointer: "/text",
  });
  return new Form(t, {
    part: "report-form",
    label: t.text(comment ? "report" : "report.article"),
    fields: [reason, text],
    submit: t.text("report.send"),
    oncancel: close,
    onsubmit: async () => {
      const report = { reason: reason.value as ReportReason, text: text.value || null };
      await api.report(comment?.id ?? null, report);
      close(t.text("report.sent"));
    },
  });
}

/** Say why a comment was not published, with a form for an appeal if there may be one. */
export async function explainDecision({ api, t }: FormContext, comment: Comment, close: Close): Promise<Node> {
  const decision = await api.getDecision(comment.id);
  const answer = el(
    "div",
    { class: "confirm", role: "status" },
    el("p", { dir: "auto" }, decision.reason ?? t.text("decision.none")),
  );
  if (decision.appeal) {
    const { state, answer: reply } = decision.appeal;
    answer.append(el("p", { dir: "auto" }, reply ?? t.text(state === "open" ? "appeal.open" : "appeal.done")));
  } else if (decision.may_appeal) {
    const text = new Field(t.text("appeal.text"), el("textarea", { part: "input text", rows: 2, dir: "auto" }), {
      pointer: "/text",
      required: true,
    });
    const form = new Form(t, {
      part: "appeal-form",
      label: t.text("appeal"),
      fields: [text],
      submit: t.text("appeal"),
      oncancel: close,
      onsubmit: async () => {
        await api.appeal(comment.id, text.value);
        close(t.text("appeal.open"));
      },
    });
    answer.append(form.element);
  }
  return answer;
}

/** Make the form with which anybody subscribes to the comments on the article. */
export function makeSubscribeForm(context: FormContext, articleId: string, close: Close): Form {
  const { api, t, session, confirmUrl } = context;
  const kinds: (readonly [string, string])[] = [["comments.all", t.text("notify.all")]];
  if (session.authorId) kinds.push(["comments.replies_to_me", t.text("notify.replies")]);
  const kind = new Field(t.text("notify"), select("notify", kinds), { pointer: "/kind" });
  const email = new Field(t.text("subscribe.email"), input("email", "email", { autocomplete: "email" }), {
    pointer: "/email",
    required: !session.isSignedIn,
  });
  setAttribute(email.control, "placeholder", session.isSignedIn ? null : "name@example.org");
  return new Form(t, {
    part: "subscribe-form",
    label: t.text("subscribe"),
    fields: [kind, email],
    submit: t.text("subscribe"),
    oncancel: close,
    onsubmit: async () => {
      const isAll = kind.value === "comments.all";
      await api.subscribe({
        kind: isAll ? "comments.all" : "comments.replies_to_me",
        ...(email.value ? { email: email.value } : {}),
        ...(isAll ? { target: { type: "article", id: articleId } } : {}),
        ...(confirmUrl ? { confirm_url: confirmUrl } : {}),
      });
      close(t.text("subscribe.sent"));
    },
  });
}
