/** One comment with its replies. */

import { append, button, el, setAttribute } from "./dom.ts";
import type { Form } from "./form.ts";
import { renderHtml } from "./sanitize.ts";
import { note, Slot, type Close } from "./slot.ts";
import type { Translation } from "./strings/index.ts";
import { Toggles } from "./toggles.ts";
import type { Comment } from "./types.ts";

/** What readers do with a comment by a form. */
export type Action = "reply" | "edit" | "delete" | "report";

/** What a comment needs of the discussion that it stands in. */
export interface Discussion {
  readonly t: Translation;
  readonly isOpen: boolean;
  /** Whether the caller wrote a comment. */
  isOwn(comment: Comment): boolean;
  canEdit(comment: Comment): boolean;
  voteOn(comment: Comment): number;
  vote(comment: Comment, value: 1 | 0 | -1): Promise<void>;
  makeForm(action: Action, comment: Comment, close: Close): Form | Promise<Form>;
  explain(comment: Comment, close: Close): Promise<Node>;
  loadReplies(view: CommentView): Promise<void>;
  openPassage(id: string): void;
  announce(text: string): void;
}

const MAX_INDENT = 4;

export class CommentView {
  readonly element = el("li", { part: "comment" });
  readonly article = el("article", { tabindex: -1 });
  readonly children = el("ol", { part: "replies", role: "list" });
  /** The cursor of the replies that follow the shown ones; null after the last one, undefined if none were read. */
  next: string | null | undefined;
  readonly #body = el("div", { part: "body", dir: "auto" });
  readonly #header = el("header", { part: "meta" });
  readonly #quote = el("blockquote", { part: "quote", dir: "auto" });
  readonly #notes = el("div", { class: "notes" });
  readonly #footer = el("footer", { part: "actions" });
  readonly slot: Slot;
  readonly #more: HTMLButtonElement;
  readonly #age = el("time");
  readonly #votes: Toggles;

  readonly #host: Discussion;

  constructor(
    host: Discussion,
    public comment: Comment,
    depth: number,
  ) {
    this.#host = host;
    this.slot = new Slot(
      host.t,
      (text) => host.announce(text),
      () => this.article.focus(),
    );
    this.#more = button("", "more-replies", () => void this.#loadMore());
    this.#votes = new Toggles(host.t, "vote", host.t.text("votes", { name: comment.author?.name ?? "" }), (name) =>
      this.#vote(name),
    );
    setAttribute(this.element, "data-indent", depth > 0 && depth <= MAX_INDENT);
    this.element.append(this.article, this.children, this.#more);
    this.article.append(this.#header, this.#quote, this.#body, this.#notes, this.#footer, this.slot.element);
    this.update(comment);
  }

  /** Put a reply in its place, the oldest first. */
  insert(reply: CommentView): void {
    const at = reply.comment.created_at;
    const isLater = ({ dataset }: HTMLElement): boolean => (dataset["at"] ?? "") > at;
    const later = ([...this.children.children] as HTMLElement[]).find(isLater);
    this.children.insertBefore(reply.element, later ?? null);
  }

  get name(): string {
    return this.comment.author?.name ?? "";
  }

  get isTombstone(): boolean {
    return this.comment.state === "removed";
  }

  /** Show the comment as it is now. An open form stays. */
  update(comment: Comment): void {
    const { t } = this.#host;
    this.comment = comment;
    this.element.id = `comment-${comment.id}`;
    this.element.dataset["at"] = comment.created_at;
    setAttribute(this.element, "data-state", comment.state);
    setAttribute(this.article, "aria-label", this.isTombstone ? t.text("removed") : t.text("by", { name: this.name }));
    this.children.setAttribute("aria-label", t.text("replies.to", { name: this.name }));
    this.#showHeader();
    const quoted = comment.parent_id === null ? (comment.anchor?.exact ?? null) : null;
    this.#quote.replaceChildren(quoted ?? "");
    this.#quote.hidden = quoted === null;
    this.#body.replaceChildren(this.isTombstone ? t.text("removed") : renderHtml(comment.html ?? "", comment.text ?? ""));
    this.#showNotes();
    this.#showActions();
    this.showMore();
  }

  /** Show how long ago it was written. */
  showAge(): void {
    this.#age.textContent = this.#host.t.formatAge(new Date(this.comment.created_at));
  }

  showVotes(): void {
    const { t } = this.#host;
    const { up, down } = this.comment.votes;
    const value = this.#host.voteOn(this.comment);
    const mayVote = !this.#host.isOwn(this.comment);
    this.#votes.show("up", t.text("up"), up, value === 1, mayVote);
    this.#votes.show("down", t.text("down"), down, value === -1, mayVote);
  }

  /** Say how many replies are not shown. */
  showMore(): void {
    const hidden = Math.max(0, this.comment.replies - this.#countShownReplies());
    this.#more.hidden = this.next === null || (this.next === undefined && hidden === 0);
    this.#more.textContent = this.#host.t.text("replies", { count: Math.max(1, hidden) });
    this.children.hidden = this.children.childElementCount === 0;
  }

  #countShownReplies(): number {
    return [...this.children.children].filter((child) => /published|removed/.test(child.getAttribute("data-state") ?? "")).length;
  }

  focus(): void {
    this.article.focus({ preventScroll: true });
    this.article.scrollIntoView({ block: "nearest" });
  }

  #showHeader(): void {
    const { t } = this.#host;
    const { author, created_at, edited_at, redacted_at, featured, id } = this.comment;
    const badges = (author?.badges ?? []).map((badge) => el("span", { part: "badge" }, t.find(`badge.${badge}`) ?? badge));
    const written = new Date(created_at);
    setAttribute(this.#age, "datetime", written.toISOString());
    this.#age.title = t.formatTime(written);
    this.showAge();
    this.#header.replaceChildren();
    append(this.#header, [
      author && el("bdi", { part: "author" }, author.name),
      ...badges,
      featured && el("span", { class: "badge featured", part: "badge" }, t.text("featured")),
      el("a", { part: "time", href: `#comment-${id}` }, this.#age),
      edited_at !== null && el("span", { class: "mark" }, t.text("edited")),
      redacted_at !== null && el("span", { class: "mark" }, t.text("redacted")),
    ]);
  }

  #showNotes(): void {
    const { t } = this.#host;
    const { state } = this.comment;
    this.#notes.replaceChildren();
    if (state === "pending") this.#notes.append(note(t.text("pending")));
    if (state !== "rejected" && state !== "spam") return;
    const told = note(`${t.text("rejected")} `);
    told.append(button(t.text("why"), "why", () => void this.#explain()));
    this.#notes.append(told);
  }

  async #explain(): Promise<void> {
    await this.slot.attempt(async () => this.slot.show(await this.#host.explain(this.comment, (text) => this.slot.close(text))));
  }

  #showActions(): void {
    const { t } = this.#host;
    const { comment } = this;
    const isOwn = this.#host.isOwn(comment);
    const isPublished = comment.state === "published";
    this.#footer.hidden = this.isTombstone;
    this.#footer.replaceChildren();
    if (this.isTombstone) return;
    this.showVotes();
    const { anchor } = comment;
    append(this.#footer, [
      isPublished && this.#votes.element,
      isPublished && this.#host.isOpen && this.#makeAction("reply"),
      anchor && comment.parent_id === null && button(t.text("view.passage"), "passage", () => this.#host.openPassage(anchor.id)),
      isOwn && this.#host.canEdit(comment) && this.#makeAction("edit"),
      isOwn && this.#makeAction("delete"),
      isPublished && !isOwn && this.#makeAction("report"),
    ]);
  }

  #makeAction(action: Action): HTMLButtonElement {
    return this.slot.makeToggle(this.#host.t.text(action), action, (close) => this.#host.makeForm(action, this.comment, close));
  }

  #vote(name: string): void {
    const direction = name === "up" ? 1 : -1;
    const value = this.#host.voteOn(this.comment) === direction ? 0 : direction;
    void this.slot.attempt(() => this.#host.vote(this.comment, value));
  }

  async #loadMore(): Promise<void> {
    const shown = this.children.childElementCount;
    await this.slot.attempt(() => this.#host.loadReplies(this));
    this.showMore();
    if (this.#more.hidden) (this.children.children[shown]?.firstElementChild as HTMLElement | undefined)?.focus();
  }
}
