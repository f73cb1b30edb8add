/** Articles: reading, following and editing. */

import type { Field, Only, Selected } from "./fields.js";
import { etagOf, type Http } from "./http.js";
import { Listing } from "./listing.js";
import { follow } from "./live.js";
import type {
  Answer,
  Article,
  Author,
  Body,
  CallOptions,
  Format,
  Front,
  Include,
  ListedArticle,
  Page,
  Passage,
  Query,
  RelatedArticle,
  Schemas,
  Section,
  Series,
  Tag,
} from "./types.js";

/** T with the members that `include` adds; `comments` is null where readers see no discussion. */
export type With<T, I> = I extends readonly (infer N)[]
  ? T & { [K in Extract<N, keyof Article>]-?: K extends "comments" ? Exclude<Article[K], undefined> : NonNullable<Article[K]> }
  : T;

/** The newest articles of a section, tag, author or series, if `include` names them. */
type WithArticles<I> = "articles" extends (I extends readonly (infer N)[] ? N : never) ? { articles: Page<ListedArticle> } : { articles?: undefined };
type Kinds<I> = {
  article: { kind: "article" | "page"; status: 200; article: With<Article, I> };
  section: { kind: "section"; status: 200; section: Section } & WithArticles<I>;
  tag: { kind: "tag"; status: 200; tag: Tag } & WithArticles<I>;
  author: { kind: "author"; status: 200; author: Author } & WithArticles<I>;
  series: { kind: "series"; status: 200; series: Series } & WithArticles<I>;
  front: { kind: "front"; status: 200; front: Front };
  location: { kind: "redirect"; status: 301 | 302; location: string };
  reason: { kind: "gone"; status: 410 | 451; reason: string | null };
};

/** What is at an address: `kind` says which of the members it has. */
export type Resolution<I = undefined> = { [K in keyof Kinds<I>]: Kinds<I>[K] & { [O in Exclude<keyof Kinds<I>, K>]?: undefined } }[keyof Kinds<I>];

/** What is read of articles. */
export interface ArticleView<F, I = undefined> {
  fields?: F | undefined;
  formats?: readonly Format[] | undefined;
  include?: I | undefined;
}

type Listed = readonly Field<ListedArticle>[] | undefined;
type Included = readonly Include[] | undefined;

/** An article that was read, whose ETag is known; or its slug or id with `ifMatch`. */
export type Edited = { id: string };

export function articlesOf(http: Http) {
  const at = (article: string, rest = "") => `/v1/articles/${encodeURIComponent(article)}${rest}`;

  /** Change a version: that of the object, or the one named by `ifMatch`. */
  const edit = <T>(method: "POST" | "PUT" | "PATCH" | "DELETE", edited: Edited | string, rest: string, body: unknown, options: EditCall) => {
    const [id, etag] = typeof edited === "string" ? [edited, undefined] : [edited.id, etagOf(edited)];
    return http.json<T>(method, at(id, rest), { ...options, body, ifMatch: options.ifMatch ?? etag });
  };

  return {
    /** List public articles; `tag: ["a", "b"]` means both, `tag: "a,b"` any of them. */
    list<const F extends Listed = undefined>(
      query: Query<"listArticles", "fields" | "formats"> & ArticleView<F> = {},
      options: CallOptions = {},
    ): Listing<Page<Selected<ListedArticle, F>>> {
      return new Listing((cursor) => http.json("GET", "/v1/articles", { ...options, query: { ...query, ...(cursor && { cursor }) } }));
    },

    /** Get an article by its slug or id, with what `include` names. */
    get<const F extends readonly Field<Article>[] | undefined = undefined, const I extends Included = undefined>(
      article: string,
      query: Query<"getArticle", "fields" | "formats" | "include"> & ArticleView<F, I> = {},
      options: CallOptions & { own?: boolean } = {},
    ): Promise<With<Selected<Article, F>, I>> {
      return http.json("GET", at(article), { ...options, query });
    },

    neighbours<const F extends readonly Field<Schemas["NeighboursOut"]>[] | undefined = undefined>(
      article: string,
      query: Query<"getNeighbours", "fields" | "formats"> & ArticleView<F> = {},
      options: CallOptions = {},
    ): Promise<Selected<Schemas["NeighboursOut"], F>> {
      return http.json("GET", at(article, "/neighbours"), { ...options, query });
    },

    related<const F extends readonly Field<RelatedArticle>[] | undefined = undefined>(
      article: string,
      query: Query<"listRelatedArticles", "fields" | "formats"> & ArticleView<F> = {},
      options: CallOptions = {},
    ): Promise<{ data: Selected<RelatedArticle, F>[] }> {
      return http.json("GET", at(article, "/related"), { ...options, query });
    },

    /** List the passages that comments and prompts refer to. */
    anchors(article: string, query: Query<"listAnchors"> = {}, options: CallOptions = {}): Listing<Page<Passage>> {
      return new Listing((cursor) => http.json("GET", at(article, "/anchors"), { ...options, query: { ...query, ...(cursor && { cursor }) } }));
    },

    /** Follow an article and its discussion live; tabs share one stream. */
    follow(article: string, options: CallOptions = {}) {
      return follow(http, article, options);
    },

    /** React to an article as the reader or guest; null takes the reaction back. */
    react(article: string, value: string | null, options: CallOptions = {}): Promise<Answer<"setReaction">> {
      return http.json("PUT", at(article, "/reaction"), { ...options, body: { value }, needsGuest: true });
    },

    report(article: string, report: Body<"reportArticle">, options: CallOptions = {}): Promise<Answer<"reportArticle">> {
      return http.json("POST", at(article, "/reports"), { ...options, body: report, needsGuest: true });
    },

    create(article: Body<"createArticle">, options: CallOptions = {}): Promise<Article> {
      return http.json("POST", "/v1/articles", { ...options, body: article });
    },

    /** Change an article as it was read: a `StaleVersion` is thrown if somebody else was faster. */
    update(article: Edited | string, changes: Body<"updateArticle">, options: EditCall = {}): Promise<Article> {
      return edit("PATCH", article, "", changes, options);
    },

    publish(article: Edited | string, body: Body<"publishArticle"> = {}, options: EditCall = {}): Promise<Article> {
      return edit("POST", article, "/publish", body, options);
    },

    unpublish(article: Edited | string, options: EditCall = {}): Promise<Article> {
      return edit("POST", article, "/unpublish", undefined, options);
    },

    delete(article: Edited | string, options: EditCall = {}): Promise<void> {
      return edit("DELETE", article, "", undefined, options);
    },
  };
}

type EditCall = CallOptions & { ifMatch?: string | undefined };
export type { Only };
