/**
 * Live streams of articles. The tabs of a browser share one stream of each article: one of them has the lock and with it
 * the stream, and tells the others by a BroadcastChannel; when it closes, the next one goes on after the last event.
 *
 * A browser opens six HTTP/1.1 connections to a host. So no more than three streams are open at once, each in a slot that
 * is a lock, too; articles that find no slot are asked for what is new every few seconds.
 */

import { readFrames, type Frame } from "./events.js";
import { isLater, wait, type Http } from "./http.js";
import { Gone, Problem, RateLimited, Unavailable } from "./problems.js";
import { isPage } from "./storage.js";
import type { CallOptions, Comment, Schemas } from "./types.js";

const MAX_STREAMS = 3;
const POLL_SECONDS = 5;
const SILENCE_SECONDS = 40; // the server sends something every 15 seconds
const MAX_BACKOFF_SECONDS = 30;

interface Logged {
  "comment.published": Comment;
  "comment.edited": Comment;
  "comment.removed": Schemas["LiveRemovedOut"];
  "article.updated": Schemas["LiveArticleOut"];
}

/** An event of an article's stream, told apart by `type`. */
export type LiveEvent =
  | { [T in keyof Logged]: { type: T; id: string; data: Logged[T] } }[keyof Logged]
  | { type: "counts"; data: Schemas["LiveCountsOut"] }
  /** Too much was missed: read everything again. */
  | { type: "reset" };

/** Follow an article and its discussion until it is no longer public, or the signal is aborted. */
export async function* follow(http: Http, article: string, options: CallOptions = {}): AsyncGenerator<LiveEvent, void, undefined> {
  const inbox = new Inbox<LiveEvent>();
  const stop = new AbortController();
  const end = () => stop.abort();
  options.signal?.addEventListener("abort", end, { once: true });
  if (options.signal?.aborted) end();
  const stream = new ArticleStream(http, article, (event) => inbox.put(event), stop.signal);
  stream.run().then(
    () => inbox.end(),
    (error: unknown) => inbox.end(error),
  );
  try {
    yield* inbox.drain(stop.signal);
  } finally {
    options.signal?.removeEventListener("abort", end);
    end();
  }
}

type Message =
  | { kind: "frame"; frame: Frame }
  | { kind: "hello"; from: string }
  | { kind: "state"; to: string; last: string | undefined; counts: Frame | undefined }
  | { kind: "over" };

/** The stream of one article, as one follower receives it: its own, or that of another tab. */
class ArticleStream {
  #last: string | undefined; // id of the last event received
  #counts: Frame | undefined; // for tabs that join
  readonly #http: Http;
  readonly #article: string;
  readonly #deliver: (event: LiveEvent) => void;
  readonly #signal: AbortSignal;

  constructor(http: Http, article: string, deliver: (event: LiveEvent) => void, signal: AbortSignal) {
    this.#http = http;
    this.#article = article;
    this.#deliver = deliver;
    this.#signal = signal;
  }

  /** Receive until the article is no longer public; throw if it never was. */
  async run(): Promise<void> {
    const isShared = this.#http.share && isPage() && typeof BroadcastChannel !== "undefined";
    try {
      if (!isShared) await this.#connect(this.#signal, (frame) => this.#receive(frame), false);
      else if ("locks" in navigator) await this.#shareWhileShown();
      else await this.#connect(this.#signal, (frame) => this.#receive(frame), true); // without TLS there are no locks
    } catch (error) {
      if (!this.#signal.aborted) throw error;
    }
  }

  #receive(frame: Frame): boolean {
    if (frame.id && this.#last && !isLater(frame.id, this.#last)) return false;
    if (frame.id) this.#last = frame.id;
    if (frame.event === "reset") this.#last = undefined; // the log may have begun anew
    if (frame.event === "counts") this.#counts = frame;
    if (frame.event && frame.id) void this.#http.notePosition(frame.id); // what is read next holds what the event tells of
    if (frame.event) this.#deliver({ type: frame.event, data: frame.data, ...(frame.id && { id: frame.id }) } as LiveEvent);
    return true;
  }

  /** Share while the page is not in the back-forward cache, where it must not keep the others waiting. */
  async #shareWhileShown(): Promise<void> {
    for (;;) {
      const hidden = new AbortController();
      const hide = () => hidden.abort();
      addEventListener("pagehide", hide, { once: true });
      try {
        await this.#shareUntil(AbortSignal.any([this.#signal, hidden.signal]));
        return;
      } catch (error) {
        if (this.#signal.aborted || !hidden.signal.aborted) throw error;
        await new Promise((resolve) => addEventListener("pageshow", resolve, { once: true }));
      } finally {
        removeEventListener("pagehide", hide);
      }
    }
  }

  async #shareUntil(signal: AbortSignal): Promise<void> {
    const name = `broadsheet:live:${this.#http.url}:${this.#article}`;
    const me = crypto.getRandomValues(new Uint32Array(2)).join("-");
    const channel = new BroadcastChannel(name);
    const over = new AbortController();
    const send = (message: Message) => channel.postMessage(message);
    let isLeader = false;
    channel.onmessage = ({ data }: MessageEvent<Message>) => {
      if (data.kind === "frame") this.#receive(data.frame);
      else if (data.kind === "over") over.abort();
      else if (data.kind === "hello" && isLeader) send({ kind: "state", to: data.from, last: this.#last, counts: this.#counts });
      else if (data.kind === "state" && data.to === me) {
        if (data.last && !this.#last) this.#last = data.last;
        if (data.counts) this.#receive(data.counts);
      }
    };
    send({ kind: "hello", from: me });
    try {
      await navigator.locks.request(name, { signal: AbortSignal.any([signal, over.signal]) }, async () => {
        isLeader = true;
        await this.#connect(signal, (frame) => this.#receive(frame) && send({ kind: "frame", frame }), true);
        send({ kind: "over" });
      });
    } catch (error) {
      if (!over.signal.aborted) throw error;
    } finally {
      channel.close();
    }
  }

  /** Connect, and again after every end, until the article is no longer public. */
  async #connect(signal: AbortSignal, receive: (frame: Frame) => void, isLimited: boolean): Promise<void> {
    for (let failures = 0; ; ) {
      let pause = 2;
      try {
        const connect = (isPoll: boolean) => this.#receiveOnce(signal, receive, isPoll);
        const outcome = await (isLimited ? inSlot(new URL(this.#http.url).host, connect) : connect(false));
        if (outcome === "over") return;
        pause = outcome;
        failures = 0;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof Gone && error.code === "position_gone") {
          receive({ event: "reset" });
          continue;
        }
        const isPassing = !(error instanceof Problem) || error instanceof RateLimited || error instanceof Unavailable;
        if (!isPassing) throw error;
        const asked = error instanceof Problem ? (error.retryAfter ?? 0) : 0;
        pause = Math.max(asked, Math.min(MAX_BACKOFF_SECONDS, 2 ** failures++ * (0.5 + Math.random())));
      }
      await wait(pause, signal);
    }
  }

  /** Receive one answer, a poll up to the present; return the seconds to wait before the next, or that it was the last. */
  async #receiveOnce(signal: AbortSignal, receive: (frame: Frame) => void, isPoll: boolean): Promise<number | "over"> {
    const query = this.#last ? { last_event_id: this.#last } : {};
    const path = `/v1/articles/${encodeURIComponent(this.#article)}/live`;
    const response = await this.#http.send("GET", path, { query, signal, accept: "text/event-stream", own: false });
    if (!response.body) throw new TypeError("The stream has no body");
    let pause = 2;
    for await (const frame of readFrames(response.body, SILENCE_SECONDS)) {
      if (frame.retry !== undefined) pause = frame.retry / 1000;
      receive(frame);
      if (frame.event === "article.updated" && (frame.data as Schemas["LiveArticleOut"]).state !== "published") return "over";
      if (isPoll && frame.event === "counts") return POLL_SECONDS; // they come after what was missed
    }
    return isPoll ? POLL_SECONDS : pause;
  }
}

/** Run with one of the browser's slots for streams to a host, or as a poll if none is free. */
async function inSlot<T>(host: string, run: (isPoll: boolean) => Promise<T>): Promise<T> {
  for (let n = 0; n < MAX_STREAMS && "locks" in navigator; n++) {
    const outcome = await navigator.locks.request(`broadsheet:slot:${host}:${n}`, { ifAvailable: true }, async (lock) =>
      lock ? { value: await run(false) } : null,
    );
    if (outcome) return outcome.value;
  }
  return run(true);
}

/** Values on their way from callbacks to one loop. */
class Inbox<T> {
  readonly #values: T[] = [];
  #wake: () => void = () => undefined;
  #ended: { error: unknown } | undefined;

  put(value: T): void {
    this.#values.push(value);
    this.#wake();
  }

  end(error?: unknown): void {
    this.#ended = { error };
    this.#wake();
  }

  async *drain(signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    signal.addEventListener("abort", () => this.#wake(), { once: true });
    while (!signal.aborted) {
      const value = this.#values.shift();
      if (value !== undefined) {
        yield value;
      } else if (this.#ended) {
        if (this.#ended.error) throw this.#ended.error;
        return;
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }
}
