/** Saying in words what went wrong. */

import { Problem } from "./client.ts";
import type { Translation } from "./strings/index.ts";

/** Return a sentence or two for an error: own words for known codes, else those of the API. */
export function describe(error: unknown, t: Translation): string {
  if (!(error instanceof Problem)) return t.text("error.offline");
  const text = t.find(`problem.${error.code}`) ?? (error.detail || error.title);
  if (!error.retryAfter) return text;
  return `${text} ${t.text("error.retry", { count: Math.ceil(error.retryAfter) })}`;
}

/** Return the messages for single fields, by JSON pointer. */
export function fieldErrors(error: unknown): Map<string, string> {
  if (!(error instanceof Problem)) return new Map();
  return new Map((error.errors ?? []).flatMap(({ pointer, detail }) => (pointer ? [[pointer, detail] as const] : [])));
}
