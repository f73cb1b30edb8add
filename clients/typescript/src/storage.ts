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

/** `localStorage` of a page; memory elsewhere. */
export function defaultStorage(): KeyValueStorage {
  return isPage() ? new PageStorage() : memoryStorage();
}

/** `localStorage`, and memory for what it does not take: in a sandboxed frame, switched off, or full. */
class PageStorage implements KeyValueStorage {
  readonly #memory = memoryStorage();

  getItem(key: string): Awaitable<string | null> {
    return this.#memory.getItem(key) ?? attempt(() => localStorage.getItem(key), null);
  }

  async setItem(key: string, value: string): Promise<void> {
    const isStored = attempt(() => (localStorage.setItem(key, value), true), false);
    await (isStored ? this.#memory.removeItem(key) : this.#memory.setItem(key, value));
  }

  async removeItem(key: string): Promise<void> {
    await this.#memory.removeItem(key);
    attempt(() => localStorage.removeItem(key), undefined);
  }
}

function attempt<T>(use: () => T, otherwise: T): T {
  try {
    return use();
  } catch {
    return otherwise;
  }
}

/** Whether this is a page in a browser, not a server or a worker. */
export function isPage(): boolean {
  return typeof document !== "undefined" && typeof window !== "undefined";
}
