/** What the component asks of the API, on the requests and the live stream of the client, whose other parts are not bundled. */

import { Http, type ClientOptions } from "../../typescript/src/http.js";
import { follow } from "../../typescript/src/live.js";
import type { Page, Query, Schemas } from "../../typescript/src/types.js";

export { Problem } from "../../typescript/src/problems.js";
export type { LiveEvent } from "../../typescript/src/live.js";
export type { TokenSource } from "../../typescript/src/http.js";
export type { Page, Schemas };
export type Client = ReturnType<typeof makeClient>;

type Article = Pick<Schemas["SingleArticleOut"], "id" | "discussion" | "reactions">;
export type ArticleWithDiscussion = Article & { comments: Schemas["CommentList"] | null; anchors: Page<Schemas["PassageOut"]> };

/** Make a client for the discussion of one article. */
export function makeClient(options: ClientOptions, article: string) {
  const http = new Http(options);
  const at = `/v1/articles/${encodeURIComponent(article)}`;
  const comment = (id: string, rest = ""): string => `/v1/comments/${encodeURIComponent(id)}${rest}`;

  return {
    guest: http.guest,
    /** Tell as whom requests are sent: a reader, a guest, or nobody yet. */
    kindOfCaller: () => http.caller(),
    getCaller: () => http.json<Schemas["WhoAmI"]>("GET", "/v1/whoami", { own: true }),
    getSite: () => http.json<Pick<Schemas["SiteOut"], "discussion">>("GET", "/v1/site", { query: { fields: ["discussion"] } }),

    getArticle: () => http.json<Article>("GET", at, { query: { fields: ["id", "discussion", "reactions"] } }),
    getDiscussion() {
      const include = ["comments", "anchors"];
      const query = { fields: ["id", "discussion", "reactions", ...include], include };
      return http.json<ArticleWithDiscussion>("GET", at, { query });
    },
    listAnchors: () => http.json<Page<Schemas["PassageOut"]>>("GET", `${at}/anchors`, { query: { limit: 100 } }),
    follow: (signal: AbortSignal) => follow(http, article, { signal }),
    react: (value: string | null) =>
      http.json<Schemas["ReactionOut"]>("PUT", `${at}/reaction`, { body: { value }, needsGuest: true }),

    listComments: (query: Query<"listComments">) => http.json<Schemas["CommentList"]>("GET", `${at}/comments`, { query }),
    listReplies: (id: string, query: Query<"listReplies">) =>
      http.json<Schemas["CommentList"]>("GET", comment(id, "/replies"), { query }),
    /** Get a comment; its author gets the Markdown as written, too. */
    getComment: (id: string, own: boolean) =>
      http.json<Schemas["SingleCommentOut"]>("GET", comment(id), { own, query: { include: "ancestors" } }),
    /** Post a comment as the reader, or as a guest, whose token is kept. */
    async postComment(body: Schemas["CommentIn"]) {
      const posted = await http.json<Schemas["PostedOut"]>("POST", `${at}/comments`, { body });
      if (posted.guest_token) await http.guest.keep(posted.guest_token);
      return posted;
    },
    editComment: (id: string, text: string) => http.json<Schemas["CommentOut"]>("PATCH", comment(id), { body: { text } }),
    deleteComment: (id: string) => http.json<undefined>("DELETE", comment(id)),
    vote: (id: string, value: 1 | 0 | -1) =>
      http.json<Schemas["VoteOut"]>("PUT", comment(id, "/vote"), { body: { value }, needsGuest: true }),
    /** Report a comment, or the article. */
    report: (id: string | null, body: Schemas["ReportIn"]) =>
      http.json<unknown>("POST", `${id === null ? at : comment(id)}/reports`, { body, needsGuest: true }),
    getDecision: (id: string) => http.json<Schemas["DecisionOut"]>("GET", comment(id, "/decision"), { own: true }),
    appeal: (id: string, text: string) => http.json<unknown>("POST", comment(id, "/appeal"), { body: { text } }),

    listOwnComments: () =>
      http.json<Page<Schemas["OwnCommentOut"]>>("GET", "/v1/me/comments", { own: true, query: { limit: 100 } }),
    getOwnVotes: () => http.json<Schemas["MyVotesOut"]>("GET", "/v1/me/votes", { own: true, query: { article } }),
    subscribe: (body: Schemas["SubscriptionIn"]) => http.json<unknown>("POST", "/v1/subscriptions", { body }),
  };
}
