/** The custom element: its attributes and properties, and the life of the discussion in it. */

import { makeClient } from "./client.ts";
import { DiscussionView } from "./discussion.ts";
import { makeSheet } from "./dom.ts";
import type { TokenSource } from "./client.ts";
import { loadTranslation, type Strings } from "./strings/index.ts";
import styles from "./styles.css";
import type { Sort } from "./types.ts";

const SHEET = makeSheet(styles);
const SORTS: readonly string[] = ["newest", "oldest", "best", "controversial"];

/**
 * `<broadsheet-comments api="https://api.example" article="slug-or-id">`
 *
 * Attributes: `api`, `article`, `text` (selector of the element with the article's text), `sort`, `lang`, `confirm-url`,
 * `token`. Properties: `token` (a text or a function), `strings`. Events: `broadsheet-count`, `broadsheet-posted`.
 */
export class BroadsheetComments extends HTMLElement {
  static readonly observedAttributes = ["api", "article", "text", "sort", "lang", "confirm-url", "token"];

  #token: TokenSource | null = null;
  #strings: Strings = {};
  #view: DiscussionView | null = null;
  #isDue = false;
  #starts = 0;

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [SHEET];
  }

  /** The token of a signed-in reader, or a function that returns it. Without one readers are guests. */
  get token(): TokenSource | null {
    return this.#token ?? this.getAttribute("token");
  }

  set token(token: TokenSource | null) {
    this.#token = token;
    this.#restart();
  }

  /** Texts that replace the built-in ones, by their keys. */
  get strings(): Strings {
    return this.#strings;
  }

  set strings(strings: Strings) {
    this.#strings = strings;
    this.#restart();
  }

  connectedCallback(): void {
    for (const name of ["token", "strings"] as const) this.#upgrade(name);
    this.#restart();
  }

  disconnectedCallback(): void {
    this.#restart();
  }

  attributeChangedCallback(): void {
    this.#restart();
  }

  /** Take a property that was set before the element was defined. */
  #upgrade(name: "token" | "strings"): void {
    if (!Object.hasOwn(this, name)) return;
    const value: unknown = this[name];
    Reflect.deleteProperty(this, name);
    Reflect.set(this, name, value);
  }

  /** Begin anew, once for all changes that are made at the same time. */
  #restart(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      this.#view?.stop();
      this.#view = null;
      if (this.isConnected) void this.#start();
    });
  }

  async #start(): Promise<void> {
    this.#starts += 1;
    const start = this.#starts;
    const t = await loadTranslation(this.#language, this.#strings);
    if (start !== this.#starts || !this.isConnected) return;
    const [url, article] = [this.getAttribute("api"), this.getAttribute("article")];
    if (!url || !article || !this.shadowRoot) return;
    const [selector, sort, token] = [this.getAttribute("text"), this.getAttribute("sort"), this.token];
    const view = new DiscussionView({
      api: makeClient({ url, token: token ?? undefined }, article),
      t,
      text: selector ? document.querySelector(selector) : null,
      sort: sort !== null && SORTS.includes(sort) ? (sort as Sort) : "newest",
      confirmUrl: this.getAttribute("confirm-url"),
      onready: () => this.shadowRoot?.replaceChildren(view.element),
      oncount: (detail) => this.#tell("broadsheet-count", detail),
      onposted: ({ id, state }) => this.#tell("broadsheet-posted", { id, state }),
    });
    this.#view = view;
    // What stands in the element, such as comments that a server has rendered, is shown until the discussion is there.
    this.shadowRoot.replaceChildren(this.childElementCount ? document.createElement("slot") : view.element);
    void view.start();
  }

  get #language(): string {
    return this.closest("[lang]")?.getAttribute("lang") || navigator.language || "en";
  }

  #tell(type: string, detail: object): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }
}
