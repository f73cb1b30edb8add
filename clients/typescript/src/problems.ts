/** Error answers (RFC 9457): one class for each family of problems, told apart by `instanceof` and within it by `code`. */

import type { Schemas } from "./types.js";

export type ProblemBody = Schemas["ProblemOut"];
export type ErrorDetail = Schemas["ErrorDetail"];

/** An error answer. `code` is stable and listed in the reference; `detail` is for people. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly requestId: string | null;
  /** What is wrong at which place of the request. */
  readonly errors: readonly ErrorDetail[];
  /** Seconds to wait before the request is worth sending again. */
  readonly retryAfter: number | null;
  /** All of the answer, with the members of this problem's own, such as `reason` or `current_version`. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Headers;

  constructor(body: Partial<ProblemBody>, response: Response) {
    super(body.detail || body.title || `The server answered ${response.status}`);
    this.name = new.target.name;
    this.status = response.status;
    this.code = body.code ?? "unknown";
    this.title = body.title ?? response.statusText;
    this.detail = body.detail ?? "";
    this.requestId = body.request_id ?? response.headers.get("x-request-id");
    this.errors = body.errors ?? [];
    this.retryAfter = parseRetryAfter(response.headers.get("retry-after"));
    this.body = body;
    this.headers = response.headers;
  }
}

/** 400: a parameter, header or body that cannot be read. */
export class BadRequest extends Problem {}
/** 401: no valid key or token. */
export class Unauthorized extends Problem {}
/** 403: the caller may not do this. */
export class Forbidden extends Problem {}
/** 404: not there, or not for this caller. */
export class NotFound extends Problem {}
/** 409: the state of the resource does not allow this. */
export class Conflict extends Problem {}
/** 410: withdrawn for good. */
export class Gone extends Problem {
  /** The public reason, if there is one. */
  get reason(): string | null {
    return readReason(this.body);
  }
}
/** 412: somebody else changed it since it was read. */
export class StaleVersion extends Problem {
  /** The `ETag` of the version that is there now, for the next `ifMatch`. */
  get etag(): string | null {
    return this.headers.get("etag");
  }
}
/** 413, 415 and 422: the body breaks the rules of the request; `errors` says where. */
export class Invalid extends Problem {}
/** 428: the request needs `ifMatch`. */
export class PreconditionRequired extends Problem {}
/** 429: too many requests or streams. */
export class RateLimited extends Problem {}
/** 451: withheld for legal reasons. */
export class WithheldForLegalReasons extends Problem {
  /** The public reason, if there is one. */
  get reason(): string | null {
    return readReason(this.body);
  }
}
/** 502, 503 and 504: the same request may succeed soon. */
export class Unavailable extends Problem {}

const FAMILIES: Readonly<Record<number, typeof Problem>> = {
  400: BadRequest,
  401: Unauthorized,
  403: Forbidden,
  404: NotFound,
  409: Conflict,
  410: Gone,
  412: StaleVersion,
  413: Invalid,
  415: Invalid,
  422: Invalid,
  428: PreconditionRequired,
  429: RateLimited,
  451: WithheldForLegalReasons,
  502: Unavailable,
  503: Unavailable,
  504: Unavailable,
};

/** Make the problem of an error answer, also of one that is not from the API but from a proxy before it. */
export async function readProblem(response: Response): Promise<Problem> {
  const text = await response.text();
  const isJson = /\bjson\b/.test(response.headers.get("content-type") ?? "");
  return new (FAMILIES[response.status] ?? Problem)(isJson ? parseObject(text) : {}, response);
}

function parseObject(text: string): Partial<ProblemBody> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function readReason(body: Readonly<Record<string, unknown>>): string | null {
  return typeof body["reason"] === "string" ? body["reason"] : null;
}

/** Read `Retry-After` as seconds or a date (RFC 9110 §10.2.3). */
function parseRetryAfter(text: string | null): number | null {
  if (!text) return null;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? null : Math.max(0, seconds);
}
