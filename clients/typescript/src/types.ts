/** The types of the API, as openapi.json describes it, under the names that the client uses. */

import type { components, operations, paths } from "./schema.js";

export type { operations, paths } from "./schema.js";

/** All schemas of openapi.json by their names. */
export type Schemas = components["schemas"];

export type Article = Schemas["SingleArticleOut"];
export type ListedArticle = Schemas["ListedArticleOut"];
export type FoundArticle = Schemas["FoundArticleOut"];
export type RelatedArticle = Schemas["RelatedOut"];
export type Comment = Schemas["CommentOut"];
export type SingleComment = Schemas["SingleCommentOut"];
export type ThreadedComment = Schemas["ThreadedCommentOut"];
export type PostedComment = Schemas["PostedOut"];
export type OwnComment = Schemas["OwnCommentOut"];
export type NewComment = Schemas["CommentIn"];
export type Counts = Schemas["CountOut"];
export type Site = Schemas["SiteOut"];
export type Resolved = Schemas["ResolvedOut"];
export type Section = Schemas["SectionOut"];
export type Tag = Schemas["TagDetailOut"];
export type Author = Schemas["AuthorOut"];
export type Series = Schemas["SeriesOut"];
export type Front = Schemas["FrontOut"];
export type ListedFront = Schemas["ListedFront"];
export type Passage = Schemas["PassageOut"];
export type Change = Schemas["ChangeOut"];
export type Subscription = Schemas["SubscriptionOut"];

export type Format = "html" | "text" | "markdown" | "blocks";
export type Include = "neighbours" | "related" | "comments" | "anchors" | "head" | "jsonld";

/** A page of a list. */
export interface Page<T> {
  data: T[];
  page: Schemas["PageOut"];
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
type Awaitable<T> = T | Promise<T>;
export type { Awaitable, Method };

// Parameters that openapi.json types as one text with commas: the client takes lists.
interface CommaLists {
  articles: readonly string[];
  exclude: readonly string[];
  fields: readonly string[];
  formats: readonly Format[];
  ids: readonly string[];
  include: readonly string[];
  state: readonly string[];
  types: readonly string[];
}
type Input<K, V> =
  | (K extends keyof CommaLists ? CommaLists[K] | string : V extends readonly (infer E)[] ? readonly E[] | E : V)
  | undefined;

type QueryOf<O> = O extends { parameters: { query?: infer Q } } ? Q : unknown;
type PathOf<O> = O extends { parameters: { path: infer P } } ? P : never;
type BodyOf<O> = O extends { requestBody?: { content: { "application/json": infer B } } }
  ? B
  : O extends { requestBody?: { content: unknown } }
    ? BodyInit
    : never;
type QueryInput<Q> = { [K in keyof Q as Exclude<K, "min_position">]: Input<K, Q[K]> };

/** The query of an operation, without the members that a method types itself. */
export type Query<Id extends keyof operations, Without extends string = never> = Omit<QueryInput<QueryOf<operations[Id]>>, Without>;

/** The body of an operation. */
export type Body<Id extends keyof operations> = BodyOf<operations[Id]>;

type ContentOf<R> = R extends { content: { "application/json": infer T } }
  ? T
  : R extends { content: unknown }
    ? string
    : undefined;
type AnswerOf<O> = O extends { responses: infer R } ? { [S in keyof R]: ContentOf<R[S]> }[keyof R] : never;

/** The answer of an operation. */
export type Answer<Id extends keyof operations> = AnswerOf<operations[Id]>;

/** What any method takes as its last argument. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
  /** A token for this request instead of the client's: an edit or manage token. */
  token?: string | undefined;
}

/** What editorial changes take besides: `ifMatch` unless the object that was read is given. */
export interface EditOptions extends CallOptions {
  ifMatch?: string | undefined;
}

export type PathsWith<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<Lowercase<M>, unknown> ? P : never;
}[keyof paths];
type OperationAt<P extends keyof paths, M extends Method> = paths[P] extends Record<Lowercase<M>, infer O> ? O : never;

export type RequestInput<P extends keyof paths, M extends Method> = EditOptions & {
  query?: QueryInput<QueryOf<OperationAt<P, M>>> | undefined;
  /** Send the reader's or guest's token, also with a GET, whose answer is then private. */
  own?: boolean | undefined;
} & ([PathOf<OperationAt<P, M>>] extends [never] ? unknown : { path: PathOf<OperationAt<P, M>> }) &
  ([BodyOf<OperationAt<P, M>>] extends [never] ? unknown : { body?: BodyOf<OperationAt<P, M>> });
export type RequestAnswer<P extends keyof paths, M extends Method> = AnswerOf<OperationAt<P, M>>;
