/** Discussions: comments, votes and reports. */

import type { Field, Selected } from "./fields.js";
import { type Http } from "./http.js";
import { Listing } from "./listing.js";
import type { Answer, Body, CallOptions, Comment, NewComment, OwnComment, Page, PostedComment, Query, SingleComment, ThreadedComment } from "./types.js";

type Fields<T> = readonly Field<T>[] | undefined;

export function commentsOf(http: Http) {
  const at = (comment: string, rest = "") => `/v1/comments/${encodeURIComponent(comment)}${rest}`;
  const under = (article: string) => `/v1/articles/${encodeURIComponent(article)}/comments`;

  return {
    /** List the comments of an article: threads with their first replies, all, or those on passages. */
    list<const F extends Fields<ThreadedComment> = undefined>(
      article: string,
      query: Query<"listComments", "fields"> & { fields?: F } = {},
      options: CallOptions = {},
    ): Listing<Page<Selected<ThreadedComment, F>>> {
      return new Listing((cursor) => http.json("GET", under(article), { ...options, query: { ...query, ...(cursor && { cursor }) } }));
    },

    replies(comment: string, query: Query<"listReplies"> = {}, options: CallOptions = {}): Listing<Answer<"listReplies">> {
      return new Listing((cursor) => http.json("GET", at(comment, "/replies"), { ...options, query: { ...query, ...(cursor && { cursor }) } }));
    },

    /** Get a comment; with `own` its author gets the Markdown as written, in `source`. */
    get(comment: string, { own, ...query }: Query<"getComment"> & { own?: boolean } = {}, options: CallOptions = {}): Promise<SingleComment> {
      return http.json("GET", at(comment), { ...options, own: own ?? false, query });
    },

    /** Post a comment as the reader, or as a guest, whose token is kept; the first one of a guest needs `author.name`. */
    async post(article: string, comment: NewComment, options: CallOptions = {}): Promise<PostedComment> {
      const posted = await http.json<PostedComment>("POST", under(article), { ...options, body: comment });
      if (posted.guest_token) await http.guest.keep(posted.guest_token);
      return posted;
    },

    /** Tell what would become of a comment, without posting it. */
    tryout(article: string, comment: NewComment, options: CallOptions = {}): Promise<Exclude<Answer<"postComment">, PostedComment>> {
      return http.json("POST", under(article), { ...options, body: comment, query: { dry_run: true } });
    },

    edit(comment: string, changes: Body<"updateComment">, options: CallOptions = {}): Promise<Answer<"updateComment">> {
      return http.json("PATCH", at(comment), { ...options, body: changes });
    },

    delete(comment: string, options: CallOptions = {}): Promise<void> {
      return http.json("DELETE", at(comment), options);
    },

    /** Vote: 1, -1, or 0 to take the vote back. */
    vote(comment: string, value: 1 | 0 | -1, options: CallOptions = {}): Promise<Answer<"voteOnComment">> {
      return http.json("PUT", at(comment, "/vote"), { ...options, body: { value }, needsGuest: true });
    },

    report(comment: string, report: Body<"reportComment">, options: CallOptions = {}): Promise<Answer<"reportComment">> {
      return http.json("POST", at(comment, "/reports"), { ...options, body: report, needsGuest: true });
    },

    /** Tell what was decided about a comment of one's own, and why. */
    decision(comment: string, options: CallOptions = {}): Promise<Answer<"getDecision">> {
      return http.json("GET", at(comment, "/decision"), { ...options, own: true });
    },

    appeal(comment: string, appeal: Body<"appealDecision">, options: CallOptions = {}): Promise<Answer<"appealDecision">> {
      return http.json("POST", at(comment, "/appeal"), { ...options, body: appeal });
    },

    /** Send what was done offline, in order, with a result for each operation. */
    async sync(operations: Body<"syncComments">["operations"], options: CallOptions = {}): Promise<Answer<"syncComments">> {
      return http.json("POST", "/v1/sync/comments", { ...options, body: { operations }, needsGuest: true });
    },
  };
}

/** What is the reader's or guest's own; without a token it is refused (`Unauthorized`). */
export function meOf(http: Http) {
  return {
    /** The reaction to an article, and the votes on its comments. */
    votes(query: Query<"getOwnVotes">, options: CallOptions = {}): Promise<Answer<"getOwnVotes">> {
      return http.json("GET", "/v1/me/votes", { ...options, own: true, query });
    },

    comments(query: Query<"listOwnComments"> = {}, options: CallOptions = {}): Listing<Page<OwnComment>> {
      return new Listing((cursor) =>
        http.json("GET", "/v1/me/comments", { ...options, own: true, query: { ...query, ...(cursor && { cursor }) } }),
      );
    },

    /** What others replied; the page has the number of those since `since`, too, as `unread`. */
    replies(query: Query<"listOwnReplies"> = {}, options: CallOptions = {}): Listing<Page<Comment> & { unread: number }> {
      return new Listing((cursor) =>
        http.json("GET", "/v1/me/replies", { ...options, own: true, query: { ...query, ...(cursor && { cursor }) } }),
      );
    },

    data(options: CallOptions = {}): Promise<Answer<"getOwnData">> {
      return http.json("GET", "/v1/me/data", { ...options, own: true });
    },

    /** Erase everything that is stored about the caller, for good; a guest's token ends with it. */
    async erase(options: CallOptions = {}): Promise<void> {
      await http.json("DELETE", "/v1/me/data", options);
      await http.guest.forget();
    },
  };
}

export function subscriptionsOf(http: Http) {
  const at = (subscription: string) => `/v1/subscriptions/${encodeURIComponent(subscription)}`;

  return {
    /** Ask for mails; the reader is sent a mail to confirm. */
    request(subscription: Body<"requestSubscription">, options: CallOptions = {}): Promise<Answer<"requestSubscription">> {
      return http.json("POST", "/v1/subscriptions", { ...options, body: subscription });
    },

    /** Confirm with the token of the mail; the answer has the token that manages all subscriptions of the address. */
    confirm(token: string, options: CallOptions = {}): Promise<Answer<"confirmSubscription">> {
      return http.json("POST", "/v1/subscriptions/confirm", { ...options, own: false, body: { token } });
    },

    list(options: CallOptions = {}): Promise<Answer<"listSubscriptions">> {
      return http.json("GET", "/v1/subscriptions", { ...options, own: true });
    },

    update(subscription: string, changes: Body<"updateSubscription">, options: CallOptions = {}): Promise<Answer<"updateSubscription">> {
      return http.json("PATCH", at(subscription), { ...options, body: changes });
    },

    end(subscription: string, options: CallOptions = {}): Promise<void> {
      return http.json("DELETE", at(subscription), options);
    },
  };
}
