/** A client of the Broadsheet content API. */

import { articlesOf, type ArticleView, type Resolution } from "./articles.js";
import { commentsOf, meOf, subscriptionsOf } from "./comments.js";
import type { Field, Selected } from "./fields.js";
import { fillPath, Http, type ClientOptions, type TokenSource } from "./http.js";
import { Listing } from "./listing.js";
import type {
  Answer,
  Author,
  CallOptions,
  Change,
  Counts,
  FoundArticle,
  Front,
  Include,
  ListedFront,
  Method,
  Page,
  PathsWith,
  Query,
  RequestAnswer,
  RequestInput,
  Resolved,
  Section,
  Series,
  Site,
  Tag,
} from "./types.js";

type Fields<T> = readonly Field<T>[] | undefined;

/** Make a client of the API at an address. */
export function createClient(options: ClientOptions) {
  const http = new Http(options);

  return {
    articles: articlesOf(http),
    comments: commentsOf(http),
    me: meOf(http),
    subscriptions: subscriptionsOf(http),
    sections: termsOf<Section, Query<"listSections", "fields">>(http, "/v1/sections"),
    tags: termsOf<Tag, Query<"listTags", "fields">>(http, "/v1/tags"),
    authors: termsOf<Author, Query<"listAuthors", "fields">>(http, "/v1/authors"),
    series: termsOf<Series, Query<"listSeries", "fields">>(http, "/v1/series"),
    fronts: {
      ...termsOf<ListedFront, Query<"listFronts", "fields">>(http, "/v1/fronts"),
      /** Get a front with its blocks and articles. */
      get<const F extends Fields<Front> = undefined>(
        front: string,
        query: Query<"getFront", "fields"> & { fields?: F } = {},
        call: CallOptions = {},
      ): Promise<Selected<Front, F>> {
        return http.json("GET", fillPath("/v1/fronts/{front}", { front }), { ...call, query });
      },
    },
    site: {
      /** Get what a front end needs first: name, addresses, menus, rules of discussion. */
      get<const F extends Fields<Site> = undefined>(query: { fields?: F } = {}, call: CallOptions = {}): Promise<Selected<Site, F>> {
        return http.json("GET", "/v1/site", { ...call, query });
      },
    },
    /** The guest of this browser: `token()`, `ensure()`, `forget()`. */
    guest: http.guest,

    /** Tell what to answer at a path or full address of the site; `NotFound` if nothing is there. */
    resolve<const F extends Fields<Resolved> = undefined, const I extends readonly (Include | "articles")[] | undefined = undefined>(
      path: string,
      query: Query<"resolvePath", "path" | "fields" | "formats" | "include"> & ArticleView<F, I> = {},
      call: CallOptions = {},
    ): Promise<F extends undefined ? Resolution<I> : Selected<Resolved, F>> {
      return http.json("GET", "/v1/resolve", { ...call, query: { ...query, path } });
    },

    /** Search public articles, the best matches first. */
    search<const F extends Fields<FoundArticle> = undefined>(
      query: Query<"searchArticles", "fields" | "formats"> & ArticleView<F>,
      call: CallOptions = {},
    ): Listing<Page<Selected<FoundArticle, F>>> {
      return new Listing((cursor) => http.json("GET", "/v1/search", { ...call, query: { ...query, ...(cursor && { cursor }) } }));
    },

    /** Get the counts of articles by the slugs or ids that are asked for. */
    async counts(articles: readonly string[], call: CallOptions = {}): Promise<Record<string, Counts>> {
      if (!articles.length) return {};
      return (await http.json<Answer<"getCounts">>("GET", "/v1/counts", { ...call, query: { articles } })).data;
    },

    /** Follow the change feed up to the present; keep the `page.next` of a page as `cursor` for the next time. */
    changes(query: Query<"listChanges"> = {}, call: CallOptions = {}): Listing<{ data: Change[]; page: Answer<"listChanges">["page"] }> {
      const load = (cursor?: string) =>
        http.json<Answer<"listChanges">>("GET", "/v1/changes", { ...call, query: { ...query, ...(cursor && { cursor }) } });
      return new Listing(load, (page) => page.page.more);
    },

    /** Tell as whom requests are sent: a key, a reader, a guest, or nobody yet. */
    caller: () => http.caller(),

    /** Sign a reader in or out. */
    setToken(token: TokenSource | undefined): void {
      http.token = token;
    },

    /** Send any request of the API, typed by openapi.json. */
    request<M extends Method, P extends PathsWith<M>>(
      method: M,
      path: P,
      ...[input]: object extends RequestInput<P, M> ? [RequestInput<P, M>?] : [RequestInput<P, M>]
    ): Promise<RequestAnswer<P, M>> {
      const { path: values, ...call } = { path: {}, ...input };
      return http.json(method, fillPath(path, values), call);
    },

    /** Send a request and get the answer as it comes: for exports, streams and files. */
    send: http.send.bind(http),
  };
}

export type Client = ReturnType<typeof createClient>;

/** Terms are listed and read alike. */
function termsOf<T, Q extends object>(http: Http, path: string) {
  return {
    list<const F extends Fields<T> = undefined>(
      query?: Q & { fields?: F },
      call: CallOptions = {},
    ): Listing<Page<Selected<T, F>>> {
      return new Listing((cursor) => http.json("GET", path, { ...call, query: { ...query, ...(cursor && { cursor }) } }));
    },
    get<const F extends Fields<T> = undefined>(term: string, query: { fields?: F } = {}, call: CallOptions = {}): Promise<Selected<T, F>> {
      return http.json("GET", `${path}/${encodeURIComponent(term)}`, { ...call, query });
    },
  };
}

export { etagOf, makeId, type ClientOptions, type Guest, type TokenSource } from "./http.js";
export { Listing } from "./listing.js";
export type { LiveEvent } from "./live.js";
export type { ArticleView, Resolution, With } from "./articles.js";
export type { Field, Only, Selected } from "./fields.js";
export { memoryStorage, type KeyValueStorage } from "./storage.js";
export * from "./problems.js";
export type * from "./types.js";
