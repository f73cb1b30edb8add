/** The discussion of one article: what is shown, what is done, and what others do meanwhile. */

import { Announcer } from "./announcer.ts";
import type { Action, CommentView, Discussion } from "./comment.ts";
import { fillContext, type View } from "./context.ts";
import { button, el, setAttribute } from "./dom.ts";
import { describe } from "./errors.ts";
import { Form, select } from "./form.ts";
import {
  explainDecision,
  makeCommentForm,
  makeEditForm,
  makeReportForm,
  makeSubscribeForm,
  type CommentFormOptions,
  type FormContext,
} from "./forms.ts";
import { CommentList } from "./list.ts";
import { followArticle } from "./live.ts";
import { Passages, type PassageHost } from "./passages.ts";
import { Session } from "./session.ts";
import { note, Slot, type Close } from "./slot.ts";
import { Toggles } from "./toggles.ts";
import { en } from "./strings/en.ts";
import { shorten, type Quote } from "./text-index.ts";
import type { Translation } from "./strings/index.ts";
import type {
  ArticleWithDiscussion,
  Client,
  Comment,
  DiscussionState,
  LiveEvent,
  PostedComment,
  Rules,
  Sort,
  ThreadedComment,
} from "./types.ts";

export interface Options {
  api: Client;
  t: Translation;
  /** The element with the article's text, if passages are to be shown in it. */
  text: Element | null;
  sort: Sort;
  confirmUrl: string | null;
  /** Called when there is something to show: the discussion, or why there is none. */
  onready(): void;
  /** Called when the numbers of comments change. */
  oncount(counts: { comments: number; inline: number }): void;
  onposted(comment: Comment): void;
}

interface Page {
  data: readonly (Comment | ThreadedComment)[];
  page: { next: string | null };
}

const PAGE_SIZE = 20;
const SORTS: readonly Sort[] = ["newest", "oldest", "best", "controversial"];
const AGE_MILLISECONDS = 60_000;
const COMMENT_FRAGMENT = /^#comment-([0-9a-f-]{36})$/;

export class DiscussionView implements Discussion, PassageHost {
  readonly element = el("section", { part: "discussion" });
  readonly t: Translation;
  readonly #api: Client;
  readonly #session: Session;
  readonly #list: CommentList;
  readonly #announcer = new Announcer();
  readonly #abort = new AbortController();
  readonly #title = el("h2", { part: "title", tabindex: -1 });
  readonly #subscription: Slot;
  readonly #report: Slot;
  readonly #reactions: Toggles;
  readonly #tabs: Toggles;
  readonly #sortLabel: HTMLElement;
  readonly #toolbar: HTMLElement;
  readonly #question = el("span");
  readonly #head = el("div", { part: "prompt" });
  readonly #composer = el("div", { part: "composer" });
  readonly #passages: Passages;
  readonly #context = el("div", { part: "context", tabindex: -1 });
  readonly #status = el("p", { part: "status" });
  readonly #footer = el("footer", { part: "footer" });
  readonly #more: HTMLButtonElement;
  readonly #sort: HTMLSelectElement;
  #view: View = { kind: "threads" };
  #next: string | null = null;
  #articleId = "";
  #state: DiscussionState = { state: "closed", prompt: null, comments: 0, inline: 0, closes_at: null };
  #rules: Rules = { reactions: [], edit_window: 0, max_length: 10_000, max_name_length: 200 };
  #reactionCounts: Record<string, number> = {};
  #timer = 0;
  #request = 0; // number of the last list that was asked for
  #markLoaded!: () => void;
  readonly #loaded = new Promise<void>((resolve) => (this.#markLoaded = resolve));

  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
    this.#api = options.api;
    this.t = options.t;
    this.#session = new Session(options.api);
    this.#list = new CommentList(this);
    this.#more = button(this.t.text("more"), "more", () => void this.#loadMore(), { hidden: true });
    this.#passages = new Passages(this, options.text);
    this.#sort = select(
      "sort",
      SORTS.map((sort) => [sort, this.t.text(`sort.${sort}`)]),
    );
    this.#sort.value = options.sort;
    this.#sort.addEventListener("change", () => void this.#show(this.#view));
    this.#subscription = this.#makeSlot();
    this.#report = this.#makeSlot();
    setAttribute(this.element, "lang", this.t.language);
    setAttribute(this.element, "dir", this.t.direction);
    this.#reactions = new Toggles(
      this.t,
      "reaction",
      this.t.text("reactions"),
      (name) => void this.#attempt(() => this.#react(name)),
    );
    this.#tabs = new Toggles(
      this.t,
      "tab",
      this.t.text("view"),
      (kind) => {
        if (this.#view.kind === "passage") this.#write();
        void this.#show({ kind: kind as "threads" | "inline" });
      },
    );
    this.#sortLabel = el("label", { part: "sorting" }, this.t.text("sort"), this.#sort);
    this.#toolbar = el("div", { part: "toolbar" }, this.#tabs.element, this.#sortLabel);
    this.element.append(this.#title, this.#status, this.#announcer.element);
  }

  get isOpen(): boolean {
    return this.#state.state === "open";
  }

  /** Follow the discussion, read it and show it. */
  async start(): Promise<void> {
    const { signal } = this.#abort;
    void followArticle(this.#api, this.#loaded, (event) => this.#receive(event), signal);
    this.#timer = window.setInterval(() => this.#showAges(), AGE_MILLISECONDS);
    window.addEventListener("hashchange", () => void this.#followFragment(), { signal });
    await this.#open();
  }

  async #open(): Promise<void> {
    this.#showStatus(this.t.text("loading"));
    try {
      await this.#load();
      if (this.#abort.signal.aborted) return;
      await this.#followFragment();
    } catch (error) {
      this.#showFailure(error, () => void this.#open());
    }
  }

  /** End everything; the page is as before. */
  stop(): void {
    this.#abort.abort();
    window.clearInterval(this.#timer);
    this.#passages.stop();
    this.element.remove();
  }

  // ---- reading

  async #load(): Promise<void> {
    const [article, site] = await Promise.all([this.#api.getDiscussion(), this.#api.getSite(), this.#session.load()]);
    this.#articleId = article.id;
    this.#rules = site.discussion;
    if (this.#abort.signal.aborted) return;
    this.#state = article.discussion;
    this.#reactionCounts = article.reactions;
    this.element.hidden = this.#state.state === "hidden";
    if (!this.element.hidden) await this.#fill(article);
    this.#markLoaded();
    this.#options.onready();
  }

  async #fill(article: ArticleWithDiscussion): Promise<void> {
    this.#showCounts();
    this.#passages.show(article.anchors.data);
    this.#write();
    this.#showToolbar();
    this.#offerForms();
    if (article.comments && this.#sort.value === "newest") this.#showPage(article.comments, true);
    else await this.#show({ kind: "threads" });
    this.#title.before(this.#reactions.element, this.#head, this.#subscription.element, this.#composer, this.#passages.offer);
    this.#status.after(this.#toolbar, this.#context, this.#list.element, this.#more, this.#footer);
  }

  get #formContext(): FormContext {
    const { confirmUrl } = this.#options;
    return { api: this.#api, t: this.t, session: this.#session, rules: this.#rules, confirmUrl };
  }

  /** Show another part of the discussion, or the same one anew. */
  async #show(view: View): Promise<void> {
    this.#view = view;
    this.#request += 1;
    const request = this.#request;
    this.#showContext();
    this.#showToolbar();
    if (view.kind === "thread") {
      this.#list.clear();
      for (const comment of view.chain) this.#list.add(comment);
      this.#next = null;
      this.#showEnd();
      return;
    }
    try {
      const page = await this.#readPage();
      if (request === this.#request) this.#showPage(page, true);
    } catch (error) {
      if (request === this.#request) this.#showFailure(error, () => void this.#show(view));
    }
  }

  async #readPage(cursor?: string): Promise<Page> {
    const view = this.#view;
    const query = { limit: PAGE_SIZE, sort: this.#sort.value as Sort, ...(cursor ? { cursor } : {}) };
    if (view.kind === "passage") return this.#api.listComments({ ...query, sort: "oldest", anchor: view.passage.id });
    if (view.kind === "inline") return this.#api.listComments({ ...query, view: "inline" });
    return this.#api.listComments({ ...query, view: "threads", replies: 3 });
  }

  #showPage(page: Page, isFirst: boolean): void {
    if (isFirst) this.#list.clear();
    for (const comment of page.data) this.#list.add(comment);
    if (isFirst) this.#showHidden();
    this.#next = page.page.next;
    this.#showEnd();
  }

  /** Show the reader's own comments that others do not see. */
  #showHidden(): void {
    for (const comment of this.#session.hidden.values()) {
      const isHere = comment.parent_id === null ? this.#belongs(comment) : this.#list.get(comment.parent_id);
      if (isHere && comment.article_id === this.#articleId) this.#list.add(comment, "first");
    }
  }

  async #loadMore(): Promise<void> {
    const last = this.#list.element.lastElementChild;
    try {
      this.#showPage(await this.#readPage(this.#next ?? undefined), false);
    } catch (error) {
      this.#showFailure(error, () => void this.#loadMore());
      return;
    }
    last?.nextElementSibling?.querySelector<HTMLElement>("article")?.focus({ preventScroll: true });
  }

  async loadReplies(view: CommentView): Promise<void> {
    const query = { limit: PAGE_SIZE, replies: 3, ...(view.next ? { cursor: view.next } : {}) };
    const page = await this.#api.listReplies(view.comment.id, query);
    for (const reply of page.data) this.#list.add(reply);
    view.next = page.page.next;
  }

  /** Show the comment that the address of the page names, as mails and feeds do. */
  async #followFragment(): Promise<void> {
    const id = COMMENT_FRAGMENT.exec(window.location.hash)?.[1];
    if (!id) return;
    if (!this.#list.get(id)) {
      const { ancestors, ...comment } = await this.#api.getComment(id, false);
      if (comment.article_id !== this.#articleId) return;
      await this.#show({ kind: "thread", chain: [...(ancestors ?? []), comment] });
    }
    const view = this.#list.get(id);
    setAttribute(view?.element ?? this.element, "data-target", true);
    view?.article.scrollIntoView({ block: "center" });
    view?.article.focus({ preventScroll: true });
  }

  // ---- what others do

  #receive(event: LiveEvent): void {
    switch (event.type) {
      case "comment.published":
        this.#showPublished(event.data);
        break;
      case "comment.edited":
        if (this.#list.get(event.data.id)) this.#list.add(event.data);
        break;
      case "comment.removed":
        this.#list.remove(event.data.id);
        this.#showEnd();
        break;
      case "counts":
        this.#state = { ...this.#state, comments: event.data.comments, inline: event.data.inline };
        this.#reactionCounts = event.data.reactions;
        this.#showCounts();
        for (const [id, votes] of Object.entries(event.data.votes)) this.#setVotes(id, votes);
        break;
      case "article.updated":
        void this.#attempt(() => this.#refresh(event.data.fields, event.data.state === "published"));
        break;
      case "reset":
        void this.#attempt(async () => {
          await this.#refresh(["discussion", "anchors"], true);
          if (this.#view.kind !== "thread") await this.#show(this.#view);
        });
    }
  }

  #showPublished(comment: Comment): void {
    this.#session.hidden.delete(comment.id);
    this.#noteAnchor(comment);
    if (this.#list.get(comment.id)) this.#list.add(comment);
    else if (this.#insert(comment)) this.announce(this.t.text("new", { name: comment.author?.name ?? "" }));
  }

  /** Read again what editors have changed. */
  async #refresh(fields: readonly string[], isPublic: boolean): Promise<void> {
    if (!isPublic) {
      this.#setState({ ...this.#state, state: "closed" });
      return;
    }
    if (fields.includes("discussion")) {
      const article = await this.#api.getArticle();
      this.#reactionCounts = article.reactions;
      this.#setState(article.discussion);
    }
    if (fields.includes("anchors") || fields.includes("body")) await this.#loadAnchors();
  }

  #setState(state: DiscussionState): void {
    const before = this.#state;
    this.#state = state;
    this.#showCounts();
    if (before.state === state.state && before.prompt === state.prompt) return;
    this.element.hidden = state.state === "hidden";
    if (before.state === "hidden") void this.#open();
    this.#write();
    for (const view of this.#list.all()) view.update(view.comment);
  }

  /** Whether a comment at the top of a thread has a place in what is shown. */
  #belongs(comment: Comment): boolean {
    const view = this.#view;
    if (view.kind === "passage") return comment.anchor?.id === view.passage.id;
    if (view.kind === "inline") return comment.anchor !== null;
    return view.kind === "threads";
  }

  /** Show a comment that was written while the list was open, and return whether it has a place there. */
  #insert(comment: Comment): boolean {
    const isFirst = this.#sort.value !== "oldest" && this.#view.kind !== "passage";
    const parent = comment.parent_id === null ? undefined : this.#list.get(comment.parent_id);
    if (parent) {
      if (comment.state === "published") parent.comment.replies += 1;
    } else if (comment.parent_id !== null || !this.#belongs(comment) || (!isFirst && this.#next !== null)) {
      return false;
    }
    const view = this.#list.add(comment, isFirst ? "first" : "last");
    setAttribute(view.element, "data-new", true);
    parent?.showMore();
    this.#showEnd();
    return true;
  }

  // ---- what the reader does

  isOwn(comment: Comment): boolean {
    return this.#session.isOwn(comment);
  }

  canEdit(comment: Comment): boolean {
    const isEditable = comment.state === "published" || comment.state === "pending";
    return isEditable && Date.now() - Date.parse(comment.created_at) < this.#rules.edit_window * 60_000;
  }

  voteOn(comment: Comment): number {
    return this.#session.votes.get(comment.id) ?? 0;
  }

  async vote(comment: Comment, value: 1 | 0 | -1): Promise<void> {
    const vote = await this.#api.vote(comment.id, value);
    this.#session.votes.set(comment.id, vote.value);
    this.#setVotes(comment.id, vote.votes);
  }

  #setVotes(id: string, votes: Comment["votes"]): void {
    const view = this.#list.get(id);
    if (!view) return;
    view.comment = { ...view.comment, votes };
    view.showVotes();
  }

  async #remove(comment: Comment): Promise<void> {
    await this.#api.deleteComment(comment.id);
    this.#session.hidden.delete(comment.id);
    this.#list.remove(comment.id);
    this.#showEnd();
    this.announce(this.t.text("deleted"));
    if (!this.#activeElement) this.#title.focus();
  }

  get #activeElement(): Element | null {
    return (this.element.getRootNode() as ShadowRoot).activeElement;
  }

  announce(text: string): void {
    this.#announcer.say(text);
  }

  makeForm(action: Action, comment: Comment, close: Close): Form | Promise<Form> {
    const { t } = this;
    const context = this.#formContext;
    if (action === "report") return makeReportForm(context, comment, close);
    if (action === "edit") return this.#makeEditForm(comment, close);
    if (action === "delete") {
      return new Form(t, {
        part: "delete-form",
        label: t.text("delete"),
        fields: [],
        extra: [t.text("delete.confirm")],
        submit: t.text("delete"),
        oncancel: close,
        onsubmit: () => this.#remove(comment),
      });
    }
    return makeCommentForm(context, {
      label: t.text("write.reply", { name: comment.author?.name ?? "" }),
      submit: t.text("post.reply"),
      place: { parent_id: comment.id },
      onposted: (posted, needsConfirmation) => {
        close();
        this.#showPosted(posted, needsConfirmation);
      },
      onforget: () => void this.#forget(),
      oncancel: close,
    });
  }

  async #makeEditForm(comment: Comment, close: Close): Promise<Form> {
    const { source } = await this.#api.getComment(comment.id, true);
    const onsaved = (saved: Comment): void => {
      close(this.t.text("saved"));
      this.#list.add(saved);
    };
    return makeEditForm(this.#formContext, comment, source ?? comment.text ?? "", onsaved, close);
  }

  explain(comment: Comment, close: Close): Promise<Node> {
    return explainDecision(this.#formContext, comment, close);
  }

  openPassage(id: string): void {
    const passage = this.#passages.find(id);
    if (!passage) return;
    void this.#show({ kind: "passage", passage });
    this.#write(passage.exact, { anchor_id: id });
    this.#context.scrollIntoView({ block: "start" });
    this.#context.focus({ preventScroll: true });
  }

  /** Put the form for a new comment in place: on the article, or on a passage of it. */
  #write(exact?: string, place: CommentFormOptions["place"] = {}): void {
    const { t } = this;
    const text = this.#composer.querySelector("textarea")?.value ?? "";
    if (!this.isOpen) {
      this.#question.replaceChildren();
      this.#composer.replaceChildren(note(t.text("closed")));
      return;
    }
    const form = makeCommentForm(this.#formContext, {
      label: exact ? t.text("write.passage", { quote: shorten(exact) }) : this.#prompt,
      submit: t.text("post"),
      text,
      place,
      head: this.#question,
      onposted: (posted, needsConfirmation) => {
        if (place.anchor) this.#write();
        this.#showPosted(posted, needsConfirmation);
      },
      onforget: () => void this.#forget(),
      oncancel: place.anchor ? () => this.#write() : undefined,
    });
    this.#composer.replaceChildren(form.element);
  }

  /** The question to readers: the editors' own, or the usual one in the page's language. */
  get #prompt(): string {
    const { prompt } = this.#state;
    return prompt === null || prompt === en.prompt ? this.t.text("prompt") : prompt;
  }

  writeOn(quote: Quote): void {
    document.getSelection()?.removeAllRanges();
    this.#write(quote.exact, { anchor: quote });
    this.#composer.scrollIntoView({ block: "center" });
    this.#composer.querySelector("textarea")?.focus({ preventScroll: true });
  }

  #showPosted(posted: PostedComment, needsConfirmation: boolean): void {
    const wasUnknown = this.#session.name === null;
    this.#session.remember(posted);
    if (posted.state !== "published") this.#session.hidden.set(posted.id, posted);
    if (wasUnknown) this.#write();
    const known = this.#list.get(posted.id); // the stream may have been faster
    known?.update(posted);
    if (!known && !this.#insert(posted)) this.#list.add(posted, "first");
    this.#noteAnchor(posted);
    this.#list.get(posted.id)?.focus();
    this.announce(this.t.text(posted.state === "published" ? "posted" : "posted.pending"));
    if (needsConfirmation) this.announce(this.t.text("notify.sent"));
    this.#options.onposted(posted);
  }

  async #forget(): Promise<void> {
    await this.#session.forget();
    this.#write();
    this.#showReactions();
    await this.#show(this.#view);
    this.#title.focus();
  }

  async #react(name: string): Promise<void> {
    const value = this.#session.reaction === name ? null : name;
    const reaction = await this.#api.react(value);
    this.#session.reaction = reaction.value;
    this.#reactionCounts = reaction.reactions;
    this.#showReactions();
  }

  /** Do something, and say at the top if it fails. */
  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
      this.#showEnd();
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#showFailure(error);
    }
  }

  async #loadAnchors(): Promise<void> {
    this.#passages.show((await this.#api.listAnchors()).data);
  }

  /** Count a new comment at its passage. */
  #noteAnchor(comment: Comment): void {
    if (!comment.anchor || comment.state !== "published") return;
    void this.#attempt(() => this.#loadAnchors());
  }

  // ---- showing

  #showCounts(): void {
    const { comments, inline } = this.#state;
    this.#title.textContent = this.t.text("comments", { count: comments });
    this.#options.oncount({ comments, inline });
    this.#showReactions();
    this.#showToolbar();
  }

  #showReactions(): void {
    for (const [name, count] of Object.entries(this.#reactionCounts)) {
      this.#reactions.show(name, this.t.find(`reaction.${name}`) ?? name, count, this.#session.reaction === name);
    }
  }

  #showToolbar(): void {
    const { kind } = this.#view;
    this.#tabs.show("inline", this.t.text("view.inline"), this.#state.inline, kind === "inline");
    this.#tabs.show("threads", this.t.text("view.threads"), this.#state.comments, kind === "threads");
    this.#sortLabel.hidden = kind === "passage" || kind === "thread";
  }

  /** Say which part of the discussion is shown. */
  #showContext(): void {
    fillContext(this.#context, this.t, this.#view, this.#passages.hasText && ((id) => this.#passages.focus(id)));
  }

  #showEnd(): void {
    this.#more.hidden = this.#next === null;
    this.#showStatus(this.#list.isEmpty && this.#view.kind === "threads" ? this.t.text("empty") : "");
  }

  #makeSlot(): Slot {
    return new Slot(
      this.t,
      (text) => this.announce(text),
      () => this.#title.focus(),
    );
  }

  /** Show the buttons that open forms about the whole article: beside the question to readers, and at the end. */
  #offerForms(): void {
    const { t } = this;
    const context = this.#formContext;
    const [subscription, report] = [this.#subscription, this.#report];
    const subscribe = subscription.makeToggle(t.text("subscribe"), "subscribe", (close) =>
      makeSubscribeForm(context, this.#articleId, close),
    );
    this.#head.replaceChildren(this.#question, subscribe);
    this.#footer.replaceChildren(
      report.makeToggle(t.text("report.article"), "report-article", (close) => makeReportForm(context, null, close)),
      report.element,
    );
  }

  #showStatus(text: string): void {
    this.#status.replaceChildren(text);
    this.#status.hidden = text === "";
    this.#status.removeAttribute("role");
  }

  #showFailure(error: unknown, again?: () => void): void {
    if (this.#abort.signal.aborted) return;
    this.#options.onready();
    this.#showStatus(`${describe(error, this.t)} `);
    this.#status.setAttribute("role", "alert");
    if (again) this.#status.append(button(this.t.text("error.again"), "again", again));
  }

  #showAges(): void {
    for (const view of this.#list.all()) view.showAge();
  }
}
