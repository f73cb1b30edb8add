/** A content loader that reads all articles once, and from then on only what the change feed names. */

import { Gone, type ListedArticle } from "@broadsheet/client";
import type { Loader, LoaderContext } from "astro/loaders";
import { api } from "./api";

const MAX_IDS = 100; // of one request
const FIELDS = ["id", "url", "title", "dek", "section.name", "published_at"] as const;

export function articles(): Loader {
  return {
    name: "broadsheet-articles",
    async load(context) {
      const cursor = context.meta.get("cursor");
      try {
        if (cursor && (await follow(context, cursor))) return;
      } catch (error) {
        if (!(error instanceof Gone)) throw error; // the log no longer reaches back to the cursor
      }
      await loadAll(context);
    },
  };
}

/** Apply what has changed since the cursor; return false if everything has to be read again. */
async function follow({ store, meta, logger, ...context }: LoaderContext, cursor: string): Promise<boolean> {
  const changed = new Map<string, boolean>(); // ids of articles, and whether readers still see them
  let next = cursor;
  for await (const page of api.changes({ cursor, types: ["article", "section"] }).pages()) {
    for (const { type, op, id } of page.data) {
      if (type === "section") return false; // its name or address is part of many articles
      if (id) changed.set(id, op === "upsert");
    }
    next = page.page.next;
  }
  const shown = [...changed.keys()].filter((id) => changed.get(id));
  for (const id of changed.keys()) store.delete(id);
  for (let at = 0; at < shown.length; at += MAX_IDS) {
    for await (const article of api.articles.list({ ids: shown.slice(at, at + MAX_IDS), fields: FIELDS, limit: MAX_IDS })) await keep({ store, ...context }, article);
  }
  meta.set("cursor", next);
  logger.info(`${changed.size} articles have changed`);
  return true;
}

async function loadAll({ store, meta, logger, ...context }: LoaderContext): Promise<void> {
  const { page } = await api.changes({ cursor: "now" }); // before reading: what changes meanwhile is read twice, never missed
  store.clear();
  for await (const article of api.articles.list({ fields: FIELDS, limit: 100 })) await keep({ store, ...context }, article);
  meta.set("cursor", page.next);
  logger.info(`${store.keys().length} articles were read`);
}

type Kept = Pick<ListedArticle, "id">;

async function keep({ store, parseData, generateDigest }: Pick<LoaderContext, "store" | "parseData" | "generateDigest">, article: Kept): Promise<void> {
  const data = await parseData({ id: article.id, data: { ...article } });
  store.set({ id: article.id, data, digest: generateDigest(data) });
}
