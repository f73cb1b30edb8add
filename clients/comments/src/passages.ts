/**
 * Passages in the article's text on the host page: finding quotes in it, highlighting them, marking those with comments,
 * and offering a comment on what is selected.
 */

import { button, el, makeSheet } from "./dom.ts";
import markerStyle from "./marker.css";

/** A quoted passage, as the API describes it. */
export interface Quote {
  exact: string;
  prefix?: string | null;
  suffix?: string | null;
  block_id?: string | null;
}

/** A passage with comments, or with a question. */
export interface Passage extends Quote {
  id: string;
  comments: number;
  question: string | null;
  /** Whether it is in the present text. */
  isShown: boolean;
}

const CONTEXT_LENGTH = 64;
const MAX_QUOTE_LENGTH = 2000;
const MAX_LABEL_LENGTH = 80;
const HIGHLIGHT = "broadsheet-passage";
const MARKER = "broadsheet-passage";
const NO_TEXT = "script,style,noscript,template,textarea,select,button";
const SPACE = /\s/;

/** The text of an element without white space, with the place of each character in its text nodes. */
class TextIndex {
  readonly text: string;
  readonly #nodes: Text[] = [];
  readonly #owners: number[] = []; // of each character: the index of its node
  readonly #offsets: number[] = [];

  constructor(root: Element) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_ALL, (node) =>
      node instanceof Element && node.matches(NO_TEXT) ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT,
    );
    const characters: string[] = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (!(node instanceof Text)) continue;
      const owner = this.#nodes.push(node) - 1;
      for (let offset = 0; offset < node.data.length; offset += 1) {
        const character = node.data.charAt(offset);
        if (SPACE.test(character)) continue;
        characters.push(character);
        this.#owners.push(owner);
        this.#offsets.push(offset);
      }
    }
    this.text = characters.join("");
  }

  /** Return the range of the occurrence of a quote whose surroundings are most like its own. */
  find(quote: Quote, root: Element): Range | null {
    const exact = withoutSpace(quote.exact);
    const prefix = withoutSpace(quote.prefix ?? "");
    const suffix = withoutSpace(quote.suffix ?? "");
    const block = quote.block_id ? root.querySelector(`[data-block-id="${CSS.escape(quote.block_id)}"]`) : null;
    let best = -1;
    let bestScore = -1;
    for (let at = exact ? this.text.indexOf(exact) : -1; at >= 0; at = this.text.indexOf(exact, at + 1)) {
      const inBlock = block?.contains(this.#nodeAt(at)) ? 2 * CONTEXT_LENGTH : 0;
      const score =
        inBlock +
        commonLength(reverse(this.text.slice(Math.max(0, at - prefix.length), at)), reverse(prefix)) +
        commonLength(this.text.slice(at + exact.length, at + exact.length + suffix.length), suffix);
      if (score > bestScore) [best, bestScore] = [at, score];
    }
    return best < 0 ? null : this.#range(best, best + exact.length - 1);
  }

  #nodeAt(at: number): Text | null {
    return this.#nodes[this.#owners[at] ?? -1] ?? null;
  }

  #range(first: number, last: number): Range | null {
    const start = this.#nodeAt(first);
    const end = this.#nodeAt(last);
    if (!start || !end) return null;
    const range = document.createRange();
    range.setStart(start, this.#offsets[first] ?? 0);
    range.setEnd(end, (this.#offsets[last] ?? 0) + 1);
    return range;
  }
}

function withoutSpace(text: string): string {
  return text.replace(/\s+/g, "");
}

function reverse(text: string): string {
  return [...text].reverse().join("");
}

function commonLength(one: string, other: string): number {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length += 1;
  return length;
}

/** Shorten a quote for a label. */
export function shorten(quote: string): string {
  const text = quote.replace(/\s+/g, " ");
  return text.length > MAX_LABEL_LENGTH ? `${text.slice(0, MAX_LABEL_LENGTH - 1)}…` : text;
}

/** Return what is selected inside an element as a quote with its surroundings, or null. */
export function readSelection(root: Element): { quote: Quote; range: Range } | null {
  const selection = document.getSelection();
  if (!selection || selection.isCollapsed || selection.rangeCount === 0) return null;
  const range = selection.getRangeAt(0);
  const exact = selection.toString().trim();
  if (!root.contains(range.commonAncestorContainer) || !exact || exact.length > MAX_QUOTE_LENGTH) return null;
  const before = range.cloneRange();
  before.setStart(root, 0);
  before.setEnd(range.startContainer, range.startOffset);
  const after = range.cloneRange();
  after.setStart(range.endContainer, range.endOffset);
  after.setEnd(root, root.childNodes.length);
  const quote = {
    exact,
    prefix: before.toString().trimEnd().slice(-CONTEXT_LENGTH),
    suffix: after.toString().trimStart().slice(0, CONTEXT_LENGTH),
  };
  return { quote, range };
}

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

const MARKER_STYLE = makeSheet(markerStyle);
export interface PassageTexts {
  marker(passage: Passage): string;
  offer: string;
}

export interface PassageHandlers {
  open(id: string): void;
  comment(quote: Quote): void;
  /** What is selected now, and whether the reader uses the keyboard. */
  select(quote: Quote | null, byKeyboard: boolean): void;
}

/** The passages of one article on the page. */
export class PassageLayer {
  /** Whether comments are offered on what is selected. */
  isOffering = true;
  readonly #markers = new Map<string, HTMLElement>();
  readonly #ranges = new Map<string, Range>();
  readonly #observer: MutationObserver;
  readonly #offer: HTMLButtonElement;
  #passages: readonly Passage[] = [];
  #selected: Quote | null = null;
  #timer = 0;
  #repaint = 0;
  #byKeyboard = false;
  readonly #abort = new AbortController();
  readonly #root: Element;
  readonly #texts: PassageTexts;
  readonly #on: PassageHandlers;

  /**
   * @param root the element with the article's text.
   * @param home where the button that offers a comment is put; it is shown in the top layer.
   */
  constructor(root: Element, home: Node, texts: PassageTexts, on: PassageHandlers) {
    this.#root = root;
    this.#texts = texts;
    this.#on = on;
    this.#offer = button(texts.offer, "offer", () => this.#selected && on.comment(this.#selected), { popover: "manual" });
    this.#offer.addEventListener("pointerdown", (event) => event.preventDefault()); // keeps the selection
    home.appendChild(this.#offer);
    const { signal } = this.#abort;
    document.addEventListener("selectionchange", () => this.#schedule(), { signal });
    document.addEventListener("scroll", () => this.#selected && this.#schedule(), { signal, capture: true });
    document.addEventListener("pointerdown", () => (this.#byKeyboard = false), { signal });
    document.addEventListener("keydown", () => (this.#byKeyboard = true), { signal });
    this.#observer = new MutationObserver(() => {
      window.clearTimeout(this.#repaint);
      this.#repaint = window.setTimeout(() => this.#paint(), 200);
    });
    this.#observe();
  }

  /** Show these passages. */
  show(passages: readonly Passage[]): void {
    this.#passages = passages;
    this.#paint();
  }

  /** Put the focus on the marker of a passage, and return whether there is one. */
  focus(id: string): boolean {
    const marker = this.#markers.get(id);
    marker?.shadowRoot?.querySelector("button")?.focus();
    marker?.scrollIntoView({ block: "center" });
    return marker !== undefined;
  }

  /** Take away everything that was added to the page. */
  destroy(): void {
    this.#abort.abort();
    this.#observer.disconnect();
    window.clearTimeout(this.#timer);
    window.clearTimeout(this.#repaint);
    this.#offer.remove();
    this.#passages = [];
    this.#paint();
    this.#observer.disconnect();
  }

  #observe(): void {
    this.#observer.observe(this.#root, { childList: true, characterData: true, subtree: true });
  }

  #paint(): void {
    this.#observer.disconnect();
    for (const marker of this.#markers.values()) marker.remove();
    this.#markers.clear();
    const highlight = sharedHighlight();
    for (const range of this.#ranges.values()) highlight?.delete(range);
    this.#ranges.clear();
    const index = new TextIndex(this.#root);
    for (const passage of this.#passages) {
      const range = index.find(passage, this.#root);
      if (!range) continue;
      this.#ranges.set(passage.id, range);
      highlight?.add(range);
    }
    for (const passage of this.#passages) {
      const range = this.#ranges.get(passage.id);
      if (range) this.#mark(passage, range);
    }
    this.#observe();
  }

  #mark(passage: Passage, range: Range): void {
    const label = this.#texts.marker(passage);
    const onclick = () => this.#on.open(passage.id);
    const marker = document.createElement(MARKER);
    const shadow = marker.attachShadow({ mode: "open" });
    shadow.adoptedStyleSheets = [MARKER_STYLE];
    const count = passage.comments ? String(passage.comments) : "?"; // shown by the style: the label says it in words
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
    const selection = this.isOffering ? readSelection(this.#root) : null;
    if (!selection && this.#offer.matches(":focus")) return;
    this.#selected = selection?.quote ?? null;
    this.#on.select(this.#selected, this.#byKeyboard);
    if (!selection) {
      this.#offer.hidePopover();
      return;
    }
    this.#offer.showPopover();
    const place = selection.range.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = this.#offer;
    const left = place.left + place.width / 2 - offsetWidth / 2;
    const above = place.top - offsetHeight - 8;
    this.#offer.style.left = `${Math.max(8, Math.min(left, window.innerWidth - offsetWidth - 8))}px`;
    this.#offer.style.top = `${above > 8 ? above : Math.min(place.bottom + 8, window.innerHeight - offsetHeight - 8)}px`;
  }
}
