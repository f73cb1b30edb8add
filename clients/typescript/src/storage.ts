/** Where the client keeps the guest's token and the position of the last write. */

import type { Awaitable } from "./types.js";

/** The part of `Storage` that the client uses; it may be asynchronous, as on phones. */
export interface KeyValueStorage {
  getItem(key: string): Awaitable<string | null>;
  setItem(key: string, value: string): Awaitable<unknown>;
  removeItem(key: string): Awaitable<unknown>;
}

/** A storage that lasts as long as the client. */
export function memoryStorage(): KeyValueStorage {
  const values = new Map<string, string>();
  return {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => values.set(key, value),
    removeItem: (key) => values.delete(key),
  };
}

/** `localStorage` of a page, unless the browser forbids it; memory elsewhere. */
export function defaultStorage(): KeyValueStorage {
  if (!isPage()) return memoryStorage();
  try {
    const probe = "broadsheet:probe";
    localStorage.setItem(probe, "");
    localStorage.removeItem(probe);
    return localStorage;
  } catch {
    return memoryStorage(); // a sandboxed frame, or storage that is switched off or full
  }
}

/** Whether this is a page in a browser, not a server or a worker. */
export function isPage(): boolean {
  return typeof document !== "undefined" && typeof window !== "undefined";
}
