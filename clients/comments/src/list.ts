/** The comments that are shown, in threads. */

import { CommentView, type Discussion } from "./comment.ts";
import { el } from "./dom.ts";
import type { Comment, ThreadedComment } from "./types.ts";

export class CommentList {
  readonly element = el("ol", { part: "comments", role: "list" });
  readonly #views = new Map<string, CommentView>();

  readonly #host: Discussion;

  constructor(host: Discussion) {
    this.#host = host;
  }

  get(id: string): CommentView | undefined {
    return this.#views.get(id);
  }

  all(): Iterable<CommentView> {
    return this.#views.values();
  }

  get isEmpty(): boolean {
    return this.element.childElementCount === 0;
  }

  clear(): void {
    this.#views.clear();
    this.element.replaceChildren();
  }

  /**
   * Show a comment with the replies that came with it: below its parent if that is shown, else at the top level. One
   * that is shown already is updated.
   */
  add(comment: Comment | ThreadedComment, where: "first" | "last" = "last"): CommentView {
    const known = this.#views.get(comment.id);
    if (known) {
      known.update(comment);
      return known;
    }
    const parent = comment.parent_id === null ? undefined : this.#views.get(comment.parent_id);
    const view = new CommentView(this.#host, comment, parent ? comment.depth : 0);
    this.#views.set(comment.id, view);
    if (parent) parent.insert(view);
    else if (where === "first") this.element.prepend(view.element);
    else this.element.append(view.element);
    this.#adoptReplies(view);
    const first = "first_replies" in comment ? comment.first_replies : null;
    if (first) {
      for (const reply of first.data) this.add(reply);
      view.next = first.page.next;
    }
    view.showMore();
    parent?.showMore();
    return view;
  }

  /** Move replies that were shown before their parent below it: flat lists may have them in any order. */
  #adoptReplies(view: CommentView): void {
    for (const other of this.#views.values()) {
      if (other.comment.parent_id === view.comment.id && other.element.parentElement === this.element) {
        view.insert(other);
      }
    }
  }

  /** Take a comment away; one with replies leaves a tombstone. */
  remove(id: string): void {
    const view = this.#views.get(id);
    if (!view) return;
    const root = view.element.getRootNode() as ShadowRoot;
    const hadFocus = view.article.contains(root.activeElement);
    const { comment } = view;
    const parent = comment.parent_id === null ? undefined : this.#views.get(comment.parent_id);
    if (view.children.childElementCount > 0 || comment.replies > 0) {
      view.slot.close();
      view.update({ ...comment, state: "removed", author: null, html: null, text: null, anchor: null });
      if (hadFocus) view.focus();
      return;
    }
    const beside = view.element.nextElementSibling ?? view.element.previousElementSibling;
    this.#views.delete(id);
    view.element.remove();
    if (parent) {
      if (comment.state === "published") parent.comment.replies = Math.max(0, parent.comment.replies - 1);
      parent.showMore();
    }
    if (hadFocus) (beside?.querySelector<HTMLElement>("article") ?? parent?.article)?.focus();
  }
}
