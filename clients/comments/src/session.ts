/** Who the reader is, and what they wrote and voted on in one discussion. */

import { Problem } from "./client.ts";
import type { Client, Comment } from "./types.ts";

export class Session {
  /** Whether the page gave a token; without one the reader is a guest. */
  isSignedIn = false;
  /** The reader's name, as shown with their comments; null as long as they have not told it. */
  name: string | null = null;
  /** The `author.id` of the reader's comments. */
  authorId: string | null = null;
  /** The reader's reaction to the article. */
  reaction: string | null = null;
  readonly votes = new Map<string, number>();
  /** The reader's comments that others do not see. */
  readonly hidden = new Map<string, Comment>();
  readonly #posted = new Set<string>();

  readonly #api: Client;

  constructor(api: Client) {
    this.#api = api;
  }

  /** Read who the reader is; nothing for somebody who has never taken part. */
  async load(): Promise<void> {
    const kind = await this.#api.kindOfCaller();
    this.isSignedIn = kind === "reader";
    if (!kind) return;
    try {
      await this.#read();
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) throw error; // the token is not known any more
    }
  }

  async #read(): Promise<void> {
    const [caller, own, votes] = await Promise.all([this.#api.getCaller(), this.#api.listOwnComments(), this.#api.getOwnVotes()]);
    this.name = caller.name;
    this.authorId = caller.id;
    this.reaction = votes.reaction;
    for (const [id, value] of Object.entries(votes.votes)) this.votes.set(id, value);
    for (const comment of own.data) {
      if (comment.state !== "published" && comment.state !== "removed") this.hidden.set(comment.id, comment);
    }
  }

  isOwn(comment: Comment): boolean {
    return this.#posted.has(comment.id) || (this.authorId !== null && comment.author?.id === this.authorId);
  }

  /** Remember a comment that the reader has just written, and who they are. */
  remember(comment: Comment): void {
    this.#posted.add(comment.id);
    this.name = comment.author?.name ?? this.name;
    this.authorId = comment.author?.id ?? this.authorId;
  }

  /** Forget a guest on this device. */
  async forget(): Promise<void> {
    await this.#api.guest.forget();
    this.name = this.authorId = this.reaction = null;
    this.votes.clear();
    this.hidden.clear();
    this.#posted.clear();
  }
}
