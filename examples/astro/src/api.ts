import { createClient, type Site } from "@broadsheet/client";

const env = (name: string, standard: string) => process.env[name] ?? standard;

export const api = createClient({ url: env("API_URL", "http://localhost:8000"), key: process.env["API_KEY"] });
export const SHOWN = { formats: ["html"], include: ["neighbours", "related", "comments", "head", "jsonld"] } as const;

/** The path of an address of the site, so that it works at any host; other addresses stay. */
export const pathOf = (site: Site, url: string) => (url.startsWith(`${site.url}/`) ? url.slice(site.url.length) : url);

export const dayOf = (site: Site, moment: string | Date) =>
  new Intl.DateTimeFormat(site.languages[0], { dateStyle: "long", timeZone: site.time_zone }).format(new Date(moment));

export const countOf = (comments: number) => (comments === 1 ? "1 comment" : `${comments} comments`);
