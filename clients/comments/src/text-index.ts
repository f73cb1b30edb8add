/** Finding quotes in the text of the page, and quoting what is selected in it. */

/** A quoted passage, as the API describes it. */
export interface Quote {
  exact: string;
  prefix?: string | null;
  suffix?: string | null;
  block_id?: string | null;
}

const CONTEXT_LENGTH = 64;
const MAX_QUOTE_LENGTH = 2000;
const MAX_LABEL_LENGTH = 80;
const NO_TEXT = "script,style,noscript,template,textarea,select,button";
const SPACE = /\s/;

/** The text of an element without white space, with the place of each character in its text nodes. */
export class TextIndex {
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
