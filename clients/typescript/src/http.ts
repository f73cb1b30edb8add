/** Requests: tokens, problems, repetition, conditional requests, and reading what was written. */

import { readProblem, Unauthorized, type Problem } from "./problems.js";
import { defaultStorage, isPage, type KeyValueStorage } from "./storage.js";
import type { Awaitable, Method } from "./types.js";

const POSITION_SECONDS = 60; // for which reads wait for the last write or event: longer than any cache keeps an answer without asking
const MAX_WAIT_SECONDS = 30; // that the server may ask for; beyond it the problem is thrown
const RETRIED_STATUSES = [429, 502, 503, 504];
// Of other parameters a list means all of the values, and is sent as several parameters.
const COMMA_LISTS = new Set(["articles", "exclude", "fields", "formats", "ids", "include", "state", "types"]);

/** A reader's token, or what gives one: it is called again with a token that the server did not accept. */
export type TokenSource = string | ((stale?: string) => Awaitable<string | null | undefined>);

export interface ClientOptions {
  /** Address of the API, such as `https://api.example.org`. */
  url: string | URL;
  /** An API key, sent with every request: a publishable one (`bp_`), or a secret one (`bs_`) on servers only. */
  key?: string | undefined;
  /** The reader's token: sent with writes and requests for what is the reader's own, so that other answers stay public. */
  token?: TokenSource | undefined;
  /** Where the guest's token is kept: `localStorage` in browsers, else memory. */
  storage?: KeyValueStorage | undefined;
  fetch?: typeof fetch | undefined;
  /** How often a safe request is repeated after a failure, or when the server asks to wait; 2. */
  retries?: number | undefined;
  /** How many answers are kept for conditional requests; 100, and none in pages, where the browser does it. */
  cache?: number | undefined;
  /** Whether tabs share one live stream; by default they do. */
  share?: boolean | undefined;
}

/** A request before it is sent. */
export interface Call {
  query?: object | undefined;
  body?: unknown;
  ifMatch?: string | undefined;
  token?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Whose token is sent: by default the reader's or guest's with all but GET. */
  own?: boolean | undefined;
  /** Make a guest first if there is neither token nor key. */
  needsGuest?: boolean | undefined;
  accept?: string | undefined;
}

interface Kept {
  etag: string;
  text: string;
}

const etags = new WeakMap<object, string>();

/** The `ETag` of an answer that the client gave. */
export function etagOf(answer: object): string | undefined {
  return etags.get(answer);
}

export class Http {
  readonly url: string;
  readonly share: boolean;
  readonly guest: Guest;
  token: TokenSource | undefined;
  readonly #key: string | undefined;
  readonly #fetch: typeof fetch;
  readonly #retries: number;
  readonly #size: number;
  readonly #kept = new Map<string, Kept>();
  readonly #position: LastPosition;

  constructor(options: ClientOptions) {
    this.url = String(options.url).replace(/\/+$/, "");
    this.share = options.share ?? true;
    this.token = options.token;
    this.#key = options.key;
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.#retries = options.retries ?? 2;
    this.#size = options.cache ?? (isPage() ? 0 : 100);
    const storage = options.storage ?? defaultStorage();
    this.guest = new Guest(this, storage);
    this.#position = new LastPosition(storage, this.url);
  }

  /** Who writes: the key, else the reader, else the guest. */
  async caller(): Promise<"key" | "reader" | "guest" | null> {
    if (this.#key) return "key";
    if (await this.#readerToken()) return "reader";
    return (await this.guest.token()) ? "guest" : null;
  }

  /** Send a request and read its JSON, or its text where it has none; throw the problem of an error answer. */
  async json<T>(method: Method, path: string, call: Call = {}): Promise<T> {
    const isRead = method === "GET";
    const token = await this.#tokenFor(method, call);
    const place = `${token ?? ""} ${this.#locate(path, call.query)}`;
    const kept = isRead ? this.#kept.get(place) : undefined;
    const response = await this.#send(method, path, call, token, kept?.etag);
    const isUnchanged = response.status === 304 && kept;
    const text = isUnchanged ? kept.text : await response.text();
    const etag = response.headers.get("etag");
    if (!text) return undefined as T;
    if (!isUnchanged && !/\bjson\b/.test(response.headers.get("content-type") ?? "")) return text as T;
    if (isRead && etag && !isUnchanged) this.#keep(place, { etag, text });
    const answer: T = JSON.parse(text);
    if (etag && typeof answer === "object" && answer !== null) etags.set(answer, etag);
    return answer;
  }

  /** Send a request and return the answer as it comes, for streams and files; throw the problem of an error answer. */
  async send(method: Method, path: string, call: Call = {}): Promise<Response> {
    return this.#send(method, path, call, await this.#tokenFor(method, call), undefined);
  }

  async #send(method: Method, path: string, call: Call, token: string | undefined, etag: string | undefined): Promise<Response> {
    const isRead = method === "GET";
    const position = isRead ? await this.#position.get() : undefined;
    const url = this.#locate(path, position ? { ...call.query, min_position: position } : call.query);
    const headers = new Headers({ accept: call.accept ?? "application/json" });
    if (etag) headers.set("if-none-match", etag);
    if (call.ifMatch) headers.set("if-match", call.ifMatch);
    if (method === "POST") headers.set("idempotency-key", makeId());
    const body = encodeBody(call.body, headers);
    const init: RequestInit = { method, headers, ...(body !== undefined && { body }), ...(call.signal && { signal: call.signal }) };
    const maySendAgain = isRead || method === "POST"; // a POST has its key, which makes it safe to repeat
    let isRenewed = false;
    for (let attempt = 0; ; attempt++) {
      if (token) headers.set("authorization", `Bearer ${token}`);
      else headers.delete("authorization");
      const isLast = !maySendAgain || attempt >= this.#retries;
      const response = await this.#fetch(url, init).catch((error: unknown) => {
        if (isLast || call.signal?.aborted) throw error;
      });
      if (response?.ok || response?.status === 304) {
        await this.#note(response, method, token);
        return response;
      }
      const problem = response && (await readProblem(response));
      if (problem instanceof Unauthorized && token && !isRenewed && !call.token) {
        isRenewed = true;
        const renewed = await this.#renew(token, call);
        if (renewed !== token) {
          token = renewed;
          headers.set("idempotency-key", makeId());
          continue;
        }
      }
      const seconds = problem?.retryAfter ?? 0.3 * 2 ** attempt * (0.5 + Math.random());
      if (problem && (isLast || !RETRIED_STATUSES.includes(problem.status) || seconds > MAX_WAIT_SECONDS)) throw problem;
      await wait(seconds, call.signal);
    }
  }

  /** Note what an answer says besides its body: the position of a write, and that a token is not known. */
  async #note(response: Response, method: Method, token: string | undefined): Promise<void> {
    const position = response.headers.get("broadsheet-position");
    if (position && method !== "GET") await this.#position.note(position);
    if (response.headers.get("broadsheet-token") === "unknown" && token) await this.#renew(token, {});
  }

  /** Let reads wait until they see what is at this position of the log. */
  notePosition(position: string): Promise<void> {
    return this.#position.note(position);
  }

  async #tokenFor(method: Method, call: Call): Promise<string | undefined> {
    if (call.token || this.#key) return call.token ?? this.#key;
    if (!(call.own ?? method !== "GET")) return undefined;
    return (await this.#readerToken()) ?? (call.needsGuest ? this.guest.ensure() : this.guest.token());
  }

  async #readerToken(stale?: string): Promise<string | undefined> {
    return (typeof this.token === "function" ? await this.token(stale) : this.token) ?? undefined;
  }

  /** Get another token in place of one that the server does not know: from the page's site, or that of a new guest. */
  async #renew(stale: string, call: Call): Promise<string | undefined> {
    if (stale === this.#key) return stale;
    if (stale !== (await this.guest.token())) return this.#readerToken(stale);
    await this.guest.forget();
    return call.needsGuest ? this.guest.ensure() : undefined;
  }

  #keep(place: string, answer: Kept): void {
    this.#kept.delete(place);
    if (this.#size > 0) this.#kept.set(place, answer);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.#size) break;
      this.#kept.delete(oldest);
    }
  }

  #locate(path: string, query: object = {}): string {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (!Array.isArray(value)) {
        if (value !== undefined && value !== null) parameters.append(name, String(value));
      } else if (COMMA_LISTS.has(name)) {
        if (value.length) parameters.append(name, value.join(","));
      } else {
        for (const item of value) parameters.append(name, String(item));
      }
    }
    const text = parameters.toString();
    return this.url + path + (text && `?${text}`);
  }
}

/** The guest of this browser or process: a token that is kept, made when one is needed, and renewed when it is unknown. */
export class Guest {
  readonly #http: Http;
  readonly #storage: KeyValueStorage;
  readonly #name: string;
  #making: Promise<string> | undefined;

  constructor(http: Http, storage: KeyValueStorage) {
    this.#http = http;
    this.#storage = storage;
    this.#name = `broadsheet:guest:${http.url}`;
  }

  async token(): Promise<string | undefined> {
    return (await this.#storage.getItem(this.#name)) ?? undefined;
  }

  async keep(token: string): Promise<void> {
    await this.#storage.setItem(this.#name, token);
  }

  async forget(): Promise<void> {
    await this.#storage.removeItem(this.#name);
  }

  /** Return the guest's token; make a guest if there is none. */
  async ensure(): Promise<string> {
    const token = await this.token();
    if (token) return token;
    this.#making ??= this.#make().finally(() => (this.#making = undefined));
    return this.#making;
  }

  async #make(): Promise<string> {
    const made = await this.#http.json<{ guest_token: string }>("POST", "/v1/guests", { own: false });
    const other = await this.token(); // of another tab, meanwhile
    if (other) return other;
    await this.keep(made.guest_token);
    return made.guest_token;
  }
}

/** The position of the last write or event, which reads wait for: in storage, so that a page loaded again shows what was posted. */
class LastPosition {
  readonly #storage: KeyValueStorage;
  readonly #name: string;

  constructor(storage: KeyValueStorage, url: string) {
    this.#storage = storage;
    this.#name = `broadsheet:position:${url}`;
  }

  async get(): Promise<string | undefined> {
    const [position, until] = ((await this.#storage.getItem(this.#name)) ?? "").split(" ");
    if (!position) return undefined;
    if (Number(until) > Date.now()) return position;
    await this.#storage.removeItem(this.#name);
    return undefined;
  }

  async note(position: string): Promise<void> {
    const last = await this.get();
    if (last && !isLater(position, last)) return;
    await this.#storage.setItem(this.#name, `${position} ${Date.now() + POSITION_SECONDS * 1000}`);
  }
}

/** Whether a position of the log is after another one. */
export function isLater(position: string, other: string): boolean {
  return Number(position.split(".")[1]) > Number(other.split(".")[1]);
}

/** Fill in the parameters of a path: `/v1/articles/{article}`. */
export function fillPath(template: string, values: object = {}): string {
  const byName: Record<string, unknown> = { ...values };
  return template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(byName[name])));
}

/** Make a UUIDv7 (RFC 9562 §5.7), as comments that are written offline need it. */
export function makeId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // `randomUUID` is missing on pages without TLS
  const view = new DataView(bytes.buffer);
  const now = Date.now();
  view.setUint32(0, Math.floor(now / 2 ** 16));
  view.setUint16(4, now % 2 ** 16);
  view.setUint8(6, 0x70 | (view.getUint8(6) & 0x0f));
  view.setUint8(8, 0x80 | (view.getUint8(8) & 0x3f));
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** Wait; throw the signal's reason if it is aborted. */
export async function wait(seconds: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, seconds * 1000);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

function encodeBody(body: unknown, headers: Headers): BodyInit | undefined {
  if (body === undefined) return undefined;
  const isEncoded = body instanceof Blob || body instanceof FormData || body instanceof URLSearchParams || body instanceof ArrayBuffer;
  if (isEncoded) return body;
  headers.set("content-type", "application/json");
  return JSON.stringify(body);
}

export type { Problem };
