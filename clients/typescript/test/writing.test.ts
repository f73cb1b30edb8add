import assert from "node:assert/strict";
import test from "node:test";
import { Conflict, etagOf, memoryStorage, NotFound, PreconditionRequired, StaleVersion, Unavailable } from "@broadsheet/client";
import { editor, KEY, problem, reader, SLUG, watch, words } from "./setup.js";

test("a guest is made with the first comment, kept, and knows what is theirs", async () => {
  const storage = memoryStorage();
  const api = reader({ storage });
  const posted = await api.comments.post(SLUG, { text: words("I *walk* it."), author: { name: "Ida" } });
  assert.equal(posted.state, "published");
  const again = reader({ storage });
  const reply = await again.comments.post(SLUG, { text: words("Twice."), parent_id: posted.id });
  assert.equal(reply.author?.id, posted.author?.id);
  assert.match((await again.comments.get(posted.id, { own: true })).source ?? "", /\*walk\*/);
  assert.match((await again.comments.edit(posted.id, { text: words("I run it.") })).text ?? "", /run/);
  const own: string[] = [];
  for await (const comment of again.me.comments()) own.push(comment.id);
  assert.deepEqual(own.sort(), [posted.id, reply.id].sort());
  await again.me.erase();
  assert.equal(await again.caller(), null);
});

test("voting makes a guest, and one that is unknown is renewed", async () => {
  const author = reader();
  const { id } = await author.comments.post(SLUG, { text: words("Vote."), author: { name: "Ida" } });
  await assert.rejects(author.comments.vote(id, 1), (error) => error instanceof Conflict || (error as { code: string }).code === "own_comment");
  const voter = reader();
  assert.equal((await voter.comments.vote(id, 1)).votes.up, 1);
  assert.deepEqual((await voter.me.votes({ article: SLUG })).votes, { [id]: 1 });
  const token = await voter.guest.token();
  await voter.request("DELETE", "/v1/me/data"); // the token ends, and the client does not know it
  assert.equal((await voter.comments.vote(id, -1)).votes.down, 1);
  assert.notEqual(await voter.guest.token(), token);
});

test("tokens are sent with writes and what is one's own, not with what everybody reads", async () => {
  const { fetch, requests } = watch();
  const api = reader({ fetch });
  await api.guest.ensure();
  await api.articles.get(SLUG);
  await api.articles.react(SLUG, "insightful");
  await api.me.votes({ article: SLUG });
  const sent = requests.map((request) => request.headers.has("authorization"));
  assert.deepEqual(sent, [false, false, true, true]);
});

test("a reader's token is asked for again when it is not accepted", async () => {
  const stales: (string | undefined)[] = [];
  const { fetch } = watch((_, request) => (request.headers.get("authorization") === "Bearer old" ? problem(401, "unauthorized") : undefined));
  const api = reader({ fetch, token: (stale) => (stales.push(stale), stale ? KEY : "old") });
  assert.equal((await api.request("GET", "/v1/whoami", { own: true })).kind, "key");
  assert.deepEqual(stales, [undefined, "old"]);
});

test("reads after a write wait for it, also in the next page of the same browser", async () => {
  const storage = memoryStorage();
  const { fetch, requests, answers } = watch();
  const api = reader({ fetch, storage });
  await api.articles.list({ limit: 1 });
  const { id } = await api.comments.post(SLUG, { text: words("Seen at once."), author: { name: "Ida" } });
  const position = answers[1]?.headers.get("broadsheet-position");
  const next = reader({ fetch, storage });
  const { data } = await next.comments.list(SLUG, { fields: ["id"] });
  assert.ok(data.some((comment) => comment.id === id));
  const sent = requests.map((request) => new URL(request.url).searchParams.get("min_position"));
  assert.ok(position);
  assert.deepEqual(sent, [null, null, position]);
});

test("a post that may have arrived is sent again under the same key; other writes are not repeated", async () => {
  const lost = watch();
  let isLost = false;
  const losing: typeof fetch = async (input, init) => {
    const response = await lost.fetch(input, init);
    if (!isLost && init?.method === "POST") {
      isLost = true;
      throw new TypeError("fetch failed");
    }
    return response;
  };
  const api = reader({ fetch: losing });
  const text = words("Only once.");
  const posted = await api.comments.post(SLUG, { text, author: { name: "Ida" } });
  assert.ok(posted.guest_token);
  const [first, second] = lost.requests;
  assert.ok(first && second);
  assert.equal(first.headers.get("idempotency-key"), second.headers.get("idempotency-key"));
  const busy = watch(() => problem(503, "unavailable", { "retry-after": "1" }));
  await assert.rejects(reader({ fetch: busy.fetch, token: "any" }).comments.edit(posted.id, { text }), Unavailable);
  assert.equal(busy.requests.length, 1);
});

test("an edit is one of the version that was read", async () => {
  const api = editor();
  const draft = await api.articles.create({ title: "First", body: { markdown: "Once upon a time." } });
  const read = await api.articles.get(draft.id);
  assert.ok(etagOf(read));
  const saved = await api.articles.update(read, { title: "Second" });
  const stale = await api.articles.update(read, { title: "Third" }).catch((error: unknown) => error);
  assert.ok(stale instanceof StaleVersion && stale.etag);
  await api.articles.update(saved.id, { title: "Third" }, { ifMatch: stale.etag });
  await assert.rejects(api.articles.update(saved.id, { title: "Fourth" }), PreconditionRequired);
  const published = await api.articles.publish(await api.articles.get(draft.id));
  assert.equal(published.state, "published");
  assert.equal((await reader().articles.get(published.slug, { fields: ["title"] })).title, "Third");
  await api.articles.unpublish(published.id, { ifMatch: "*" });
  await assert.rejects(reader().articles.get(published.slug), NotFound);
});

test("any operation can be requested, with its types", async () => {
  const api = editor();
  const front = await api.request("PUT", "/v1/fronts/{front}", {
    path: { front: "client" },
    body: { title: "Home", blocks: [{ kind: "newest", title: "New", limit: 3 }] },
    ifMatch: "*",
  }).catch(() => undefined);
  assert.equal(front, undefined); // there is no version to match yet
  // @ts-expect-error: the path has a parameter
  await assert.rejects(api.request("GET", "/v1/fronts/{front}"), NotFound);
  const tags: string[] = [];
  for await (const tag of api.tags.list({ fields: ["slug"] })) tags.push(tag.slug);
  assert.ok(tags.length);
  const exported = await api.send("GET", "/v1/export.ndjson");
  assert.match(await exported.text(), /"type":\s*"trailer"/);
});
