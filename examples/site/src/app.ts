/** Which page answers a request. */

import { createClient, NotFound, Problem } from "@broadsheet/client";
import { Pages, type Page } from "./pages.js";

export type Answer = { status: number; location: string } | { status: number; location?: undefined; lang: string; head: string; body: string };

const LIST_FIELDS = ["url", "title", "dek", "excerpt", "image", "section", "authors", "published_at", "discussion"] as const;
const SHOWN = { formats: ["html"], include: ["neighbours", "related", "comments", "head", "jsonld", "articles"] } as const;
const CONFIRM = process.env["CONFIRM_PATH"] ?? "/subscriptions/confirm"; // the same as of the API
const api = createClient({ url: process.env["API_URL"] ?? "http://localhost:8000", key: process.env["API_KEY"] });

/** Answer a path with its query. The site is read beside the page; what is unchanged is answered to the client with 304. */
export async function answer(address: string): Promise<Answer> {
  const url = new URL(address, "http://site");
  const [site, outcome] = await Promise.all([api.site.get(), find(url).catch(explain)]);
  const pages = new Pages(site);
  if ("location" in outcome) return { status: outcome.status, location: pages.path(outcome.location) };
  const page = outcome(pages);
  return { status: page.status, lang: site.languages[0] ?? "en", head: pages.head(page).text, body: pages.frame(page).text };
}

type Outcome = { status: number; location: string } | ((pages: Pages) => Page);

async function find(url: URL): Promise<Outcome> {
  const [place, query] = [url.pathname, (name: string) => url.searchParams.get(name) ?? ""];
  if (place === "/search") {
    const found = query("q") ? (await api.search({ q: query("q"), limit: 20 })).data : [];
    return (pages) => pages.search(query("q"), found);
  }
  if (place.startsWith("/preview/")) {
    const article = await api.articles.get(place.slice("/preview/".length), { formats: ["html"], preview: query("token") });
    return (pages) => pages.article(article);
  }
  if (place === CONFIRM) return (pages) => pages.confirm(query("token"));
  return resolve(url);
}

/** Everything else: the API knows what is at an address, in one call, with the newest articles of a section. */
async function resolve(url: URL): Promise<Outcome> {
  const found = await api.resolve(url.pathname + url.search, SHOWN);
  switch (found.kind) {
    case "article": case "page":
      return (pages) => pages.article(found.article);
    case "front":
      return (pages) => pages.front(found.front);
    case "redirect":
      return { status: found.status, location: found.location };
    case "gone":
      return (pages) => pages.message(found.status, "This was withdrawn", found.reason ?? "It is no longer available.");
    default: {
      const place = found.section ?? found.tag ?? found.author ?? found.series;
      const cursor = url.searchParams.get("cursor") ?? undefined;
      const list = cursor ? await api.articles.list({ [found.kind]: place.slug, fields: LIST_FIELDS, cursor }) : found.articles;
      return (pages) => pages.place(place, list.data, list.page.next);
    }
  }
}

function explain(problem: unknown): Outcome {
  if (!(problem instanceof Problem) || problem.status >= 500) throw problem;
  if (problem instanceof NotFound) return (pages) => pages.message(404, "Not found", "There is nothing at this address.");
  return (pages) => pages.message(problem.status, problem.title, problem.detail);
}

/** Fill a page into index.html. */
export function fill(template: string, page: { lang: string; head: string; body: string }): string {
  return template.replace(/\{\{(lang|head|body)\}\}/g, (_, name: "lang" | "head" | "body") => page[name]);
}
