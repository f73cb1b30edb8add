import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { BadRequest, Invalid, NotFound, Problem, Unauthorized, Unavailable } from "@broadsheet/client";
import { problem, reader, SLUG, watch } from "./setup.js";

test("fields narrow what is answered, and its type", async () => {
  const page = await reader().articles.list({ fields: ["slug", "title", "section.name"], limit: 2 });
  const [article] = page.data;
  assert.ok(article);
  assert.deepEqual(Object.keys(article).sort(), ["section", "slug", "title"]);
  const name: string | undefined = article.section?.name;
  assert.ok(name);
  // @ts-expect-error: it was not asked for
  assert.equal(article.dek, undefined);
  // @ts-expect-error: there is no such field
  await assert.rejects(reader().articles.list({ fields: ["titel"] }), BadRequest);
  // @ts-expect-error: nor is there one below it
  await assert.rejects(reader().articles.list({ fields: ["section.nome"] }), BadRequest);
});

test("a list gives its first page, all its items, or page after page", async () => {
  const api = reader();
  const listing = api.articles.list({ fields: ["slug"], limit: 2, count: "exact" });
  const total = (await listing).page.total;
  const slugs = new Set<string>();
  for await (const article of listing) slugs.add(article.slug);
  assert.equal(slugs.size, total);
  const sizes: number[] = [];
  for await (const page of listing.pages()) sizes.push(page.data.length);
  assert.equal(sizes.length, Math.ceil(slugs.size / 2));
  const found: string[] = [];
  for await (const article of api.search({ q: "bridge", fields: ["title"] })) found.push(article.title);
  assert.ok(found.some((title) => title.includes("bridge")));
});

test("an article comes with what include names", async () => {
  const article = await reader().articles.get(SLUG, { formats: ["html"], include: ["comments", "head", "neighbours"] });
  assert.equal(typeof article.head.title, "string");
  assert.ok(Array.isArray(article.comments?.data));
  assert.ok("previous" in article.neighbours || "next" in article.neighbours);
});

test("a catch-all route asks once what is at an address", async () => {
  const { fetch, requests } = watch();
  const api = reader({ fetch });
  const { url } = await api.articles.get(SLUG, { fields: ["url"] });
  const found = await api.resolve(new URL(url).pathname, { include: ["head"] });
  assert.equal(requests.length, 2);
  assert.ok(found.kind === "article");
  assert.equal(found.article.slug, SLUG);
  assert.ok(found.article.head.title);
  const place = await api.resolve(new URL((await api.sections.get("harbour")).url).pathname, { include: ["articles", "head"] });
  assert.ok(place.kind === "section");
  assert.ok(place.articles.data.every((listed) => listed.breadcrumbs.some(({ name }) => name === place.section.name)));
  await assert.rejects(api.resolve("/nothing/is/here"), NotFound);
});

test("counts, changes and the site are typed", async () => {
  const api = reader();
  assert.equal(typeof (await api.counts([SLUG]))[SLUG]?.comments, "number");
  assert.equal(typeof (await api.site.get({ fields: ["name"] })).name, "string");
  let changes = 0;
  for await (const page of api.changes({ limit: 100 }).pages()) changes += page.data.length;
  assert.ok(changes > 0);
  assert.equal((await api.request("GET", "/v1/whoami")).kind, "anonymous");
});

test("a problem is of the class of its family, and has its code", async () => {
  const api = reader();
  const error = await api.articles.get("nothing").catch((thrown: unknown) => thrown);
  assert.ok(error instanceof NotFound && error instanceof Problem && error instanceof Error);
  assert.deepEqual([error.name, error.status, error.code], ["NotFound", 404, "not_found"]);
  assert.ok(error.requestId);
  await assert.rejects(api.me.votes({ article: SLUG }), Unauthorized);
  await assert.rejects(api.comments.post(SLUG, { text: "" }), Invalid);
  const proxied = reader({ fetch: async () => new Response("<html>", { status: 502 }), retries: 0 });
  await assert.rejects(proxied.site.get(), (thrown) => thrown instanceof Unavailable && thrown.code === "unknown");
});

test("an answer that has not changed is not sent again", async () => {
  const { fetch, requests, answers } = watch();
  const api = reader({ fetch });
  const first = await api.articles.get(SLUG);
  const second = await api.articles.get(SLUG);
  assert.equal(requests[1]?.headers.get("if-none-match"), answers[0]?.headers.get("etag"));
  assert.equal(answers[1]?.status, 304);
  assert.deepEqual(second, first);
  assert.notEqual(second, first);
});

test("safe requests are repeated after the time that the server asks for", async (t) => {
  let waits = 0;
  const start = setTimeout;
  t.mock.method(globalThis, "setTimeout", (run: () => void, delay: number) => start(run, delay === 7000 ? (waits++, 0) : delay));
  const busy = watch((n) => (n <= 2 ? problem(n === 1 ? 503 : 429, "busy", { "retry-after": "7" }) : undefined));
  await reader({ fetch: busy.fetch }).site.get();
  assert.equal(busy.requests.length, 3);
  assert.equal(waits, 2);
  const broken = watch((n) => {
    if (n === 1) throw new TypeError("fetch failed");
    return undefined;
  });
  await reader({ fetch: broken.fetch }).site.get();
  assert.equal(broken.requests.length, 2);
  const patient = watch(() => problem(503, "unavailable", { "retry-after": "3600" }));
  await assert.rejects(reader({ fetch: patient.fetch }).site.get(), Unavailable);
  assert.equal(patient.requests.length, 1);
});

test("every read takes min_position, which the client adds after writes", async () => {
  const document = JSON.parse(await readFile("../../openapi.json", "utf8")) as {
    paths: Record<string, { get?: { parameters?: { $ref?: string; name?: string }[] } }>;
  };
  const without = Object.entries(document.paths)
    .filter(([path, { get }]) => path.startsWith("/v1/") && get)
    .filter(([, { get }]) => !get?.parameters?.some(({ $ref = "", name }) => $ref.endsWith("/MinPosition") || name === "min_position"))
    .map(([path]) => path);
  assert.deepEqual(without, []);
});
