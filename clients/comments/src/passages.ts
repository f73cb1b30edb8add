/** The passages that a discussion refers to: highlighted and marked in the article's text, if the page names it. */

import { button, el, makeSheet } from "./dom.ts";
import markerStyle from "./marker.css";
import type { Translation } from "./strings/index.ts";
import { readSelection, shorten, TextIndex, type Quote } from "./text-index.ts";
import type { Anchor } from "./types.ts";

export type Passage = Anchor & { exact: string };

export interface PassageHost {
  readonly t: Translation;
  readonly isOpen: boolean;
  openPassage(id: string): void;
  /** Begin a comment on what is selected. */
  writeOn(quote: Quote): void;
  announce(text: string): void;
}

const HIGHLIGHT = "broadsheet-passage";
const MARKER = "broadsheet-passage";
const MARKER_STYLE = makeSheet(markerStyle);

/**
 * Return the highlight that all passages of the page share, or null where browsers have none: the markers are there all
 * the same. Its colour is a custom property of the page.
 */
function sharedHighlight(): Highlight | null {
  if (!("highlights" in CSS)) return null;
  let highlight = CSS.highlights.get(HIGHLIGHT);
  if (!highlight) {
    const colour = "var(--broadsheet-highlight, rgb(250 204 21 / 0.3))";
    const sheet = makeSheet(`::highlight(${HIGHLIGHT}) { background-color: ${colour}; }`);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    highlight = new Highlight();
    CSS.highlights.set(HIGHLIGHT, highlight);
  }
  return highlight;
}

export class Passages {
  /** Offers a comment on what is selected. It is shown there; the keyboard reaches it where it is put. */
  readonly offer: HTMLButtonElement;
  readonly #markers = new Map<string, HTMLElement>();
  readonly #ranges = new Map<string, Range>();
  readonly #abort = new AbortController();
  readonly #observer = new MutationObserver(() => {
    window.clearTimeout(this.#repaint);
    this.#repaint = window.setTimeout(() => this.#paint(), 200);
  });
  readonly #host: PassageHost;
  readonly #text: Element | null;
  #passages: readonly Passage[] = [];
  #selected: Quote | null = null;
  #timer = 0;
  #repaint = 0;
  #byKeyboard = false;

  /** @param text the element with the article's text, if the page has one. */
  constructor(host: PassageHost, text: Element | null) {
    this.#host = host;
    this.#text = text;
    this.offer = button(host.t.text("passage.offer"), "offer", () => this.#selected && host.writeOn(this.#selected), {
      popover: "manual",
    });
    if (!text) return;
    this.offer.addEventListener("pointerdown", (event) => event.preventDefault()); // keeps the selection
    const { signal } = this.#abort;
    document.addEventListener("selectionchange", () => this.#schedule(), { signal });
    document.addEventListener("scroll", () => this.#selected && this.#schedule(), { signal, capture: true });
    document.addEventListener("pointerdown", () => (this.#byKeyboard = false), { signal });
    document.addEventListener("keydown", () => (this.#byKeyboard = true), { signal });
  }

  get hasText(): boolean {
    return this.#text !== null;
  }

  /** Show the passages that there are now. */
  show(anchors: readonly Anchor[]): void {
    this.#passages = anchors.flatMap((one) => (one.exact === null ? [] : [{ ...one, exact: one.exact }]));
    this.#paint();
  }

  find(id: string): Passage | undefined {
    return this.#passages.find((passage) => passage.id === id);
  }

  /** Put the focus on the marker of a passage. */
  focus(id: string): void {
    const marker = this.#markers.get(id);
    marker?.shadowRoot?.querySelector("button")?.focus();
    marker?.scrollIntoView({ block: "center" });
  }

  /** Take away everything that was added to the page. */
  stop(): void {
    this.#abort.abort();
    window.clearTimeout(this.#timer);
    this.offer.remove();
    this.#clear();
  }

  /** Take all passages out of the text. */
  #clear(): void {
    window.clearTimeout(this.#repaint);
    this.#observer.disconnect();
    for (const marker of this.#markers.values()) marker.remove();
    this.#markers.clear();
    for (const range of this.#ranges.values()) sharedHighlight()?.delete(range);
    this.#ranges.clear();
  }

  #paint(): void {
    this.#clear();
    if (!this.#text) return;
    const index = new TextIndex(this.#text);
    for (const passage of this.#passages) {
      const isPresent = passage.state !== "orphaned" && passage.state !== "detached";
      const range = isPresent ? index.find(passage, this.#text) : null;
      if (range) this.#ranges.set(passage.id, range);
    }
    for (const passage of this.#passages) {
      const range = this.#ranges.get(passage.id);
      if (!range) continue;
      sharedHighlight()?.add(range);
      this.#mark(passage, range);
    }
    this.#observer.observe(this.#text, { childList: true, characterData: true, subtree: true });
  }

  #mark(passage: Passage, range: Range): void {
    const { t } = this.#host;
    const quote = shorten(passage.exact);
    const { comments } = passage;
    const label = comments ? t.text("passage.marker", { count: comments, quote }) : t.text("passage.prompt", { quote });
    const onclick = () => this.#host.openPassage(passage.id);
    const marker = document.createElement(MARKER);
    const shadow = marker.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [MARKER_STYLE];
    const count = comments || "?"; // shown by the style: the label says it in words
    shadow.append(el("button", { "aria-label": label, "data-count": count, title: label, onclick }));
    const { endContainer, endOffset } = range;
    const text = endContainer as Text; // as the index made the range
    if (endOffset < text.length) text.splitText(endOffset);
    text.after(marker);
    this.#markers.set(passage.id, marker);
  }

  #schedule(): void {
    window.clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#offerComment(), 150);
  }

  #offerComment(): void {
    const selection = this.#host.isOpen && this.#text ? readSelection(this.#text) : null;
    if (!this.offer.isConnected || (!selection && this.offer.matches(":focus"))) return;
    this.#selected = selection?.quote ?? null;
    if (!selection) {
      this.offer.hidePopover();
      return;
    }
    if (this.#byKeyboard && !this.offer.matches(":popover-open")) this.#host.announce(this.#host.t.text("passage.offered"));
    this.offer.showPopover();
    const place = selection.range.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = this.offer;
    const left = place.left + place.width / 2 - offsetWidth / 2;
    const above = place.top - offsetHeight - 8;
    this.offer.style.left = `${Math.max(8, Math.min(left, window.innerWidth - offsetWidth - 8))}px`;
    this.offer.style.top = `${above > 8 ? above : Math.min(place.bottom + 8, window.innerHeight - offsetHeight - 8)}px`;
  }
}
