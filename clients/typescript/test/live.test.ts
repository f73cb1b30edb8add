import assert from "node:assert/strict";
import test from "node:test";
import { NotFound, type LiveEvent } from "@broadsheet/client";
import { editor, problem, reader, SLUG, watch, words } from "./setup.js";

/** The next event of a type. */
async function next<T extends LiveEvent["type"]>(events: AsyncIterator<LiveEvent>, type: T): Promise<Extract<LiveEvent, { type: T }>> {
  for (;;) {
    const { done, value } = await events.next();
    if (done) throw new Error(`the stream ended before ${type}`);
    if (value.type === type) return value as Extract<LiveEvent, { type: T }>;
  }
}

test("a stream goes on after the last event when the connection is lost", async () => {
  const author = reader();
  const { fetch, requests, answers } = watch();
  let cut: () => void = () => undefined;
  const cutting: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const lost = new AbortController();
    cut = () => lost.abort(new TypeError("network error"));
    void response.body?.pipeTo(writable, { signal: lost.signal }).catch(() => undefined);
    return new Response(readable, response);
  };
  const stop = new AbortController();
  const api = reader({ fetch: cutting });
  const events = api.articles.follow(SLUG, { signal: stop.signal });
  assert.equal(typeof (await next(events, "counts")).data.comments, "number");
  const first = await author.comments.post(SLUG, { text: words("Live."), author: { name: "Ida" } });
  const seen = await next(events, "comment.published");
  assert.equal(seen.data.id, first.id);
  cut();
  const missed = await author.comments.post(SLUG, { text: words("Missed.") });
  assert.equal((await next(events, "comment.published")).data.id, missed.id);
  assert.equal(new URL(requests[1]?.url ?? "").searchParams.get("last_event_id"), seen.id);
  assert.equal(answers.length, 2);
  const { data } = await api.comments.list(SLUG, { view: "all", fields: ["id"] });
  assert.ok(data.some((comment) => comment.id === missed.id));
  assert.ok(requests.at(-1)?.url.includes("min_position="));
  await author.comments.delete(missed.id);
  assert.equal((await next(events, "comment.removed")).data.id, missed.id);
  stop.abort();
  assert.equal((await events.next()).done, true);
});

test("a stream tells when too much was missed, and begins anew", async () => {
  const { fetch, requests } = watch((n) => (n === 1 ? problem(410, "position_gone") : undefined));
  const stop = new AbortController();
  const events = reader({ fetch }).articles.follow(SLUG, { signal: stop.signal });
  assert.equal((await events.next()).value?.type, "reset");
  await next(events, "counts");
  assert.equal(requests.length, 2);
  stop.abort();
});

test("a stream ends with the article, and fails where there is none", async () => {
  const api = editor();
  const draft = await api.articles.create({ title: "Short-lived", body: { markdown: "Text." } });
  const article = await api.articles.publish(draft);
  const events = reader().articles.follow(article.slug);
  await next(events, "counts");
  await api.articles.unpublish(article.id, { ifMatch: "*" });
  assert.equal((await next(events, "article.updated")).data.state, "unpublished");
  assert.equal((await events.next()).done, true);
  await assert.rejects(reader().articles.follow("nothing").next(), NotFound);
});
