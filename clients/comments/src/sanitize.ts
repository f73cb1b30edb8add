/**
 * The HTML of comments as elements. The API has sanitised it; here it is parsed inertly all the same, and only what is
 * on the list is built anew. What is not, is replaced by its content, and what may run or load is dropped with it.
 */

const TAGS = new Set(
  "a abbr b blockquote br cite code del em hr i ins li mark ol p pre q s small strong sub sup u ul".split(" "),
);
const DROPPED = new Set("iframe noscript object script select style template textarea title".split(" "));
const SCHEMES = new Set(["http:", "https:", "mailto:"]);
const MAX_DEPTH = 200;

/** Trusted Types (W3C), where the page's policy requires them. */
interface PolicyFactory {
  createPolicy(name: string, rules: { createHTML(text: string): string }): { createHTML(text: string): string };
}

let parse: ((html: string) => Document) | undefined;

function parser(): (html: string) => Document {
  if (!parse) {
    const { trustedTypes } = globalThis as { trustedTypes?: PolicyFactory };
    const policy = trustedTypes?.createPolicy("broadsheet-comments", { createHTML: (text) => text });
    parse = (html) => new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, "text/html");
  }
  return parse;
}

/** Return an address of a link if it has an allowed scheme. */
export function safeAddress(address: string): string | null {
  try {
    const url = new URL(address, document.baseURI);
    return SCHEMES.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function copyAttributes(from: Element, to: HTMLElement): void {
  const { localName } = to;
  const address = localName === "a" ? from.getAttribute("href") : null;
  const href = address === null ? null : safeAddress(address);
  if (href) {
    to.setAttribute("href", href);
    to.setAttribute("rel", "noopener nofollow ugc");
  }
  for (const name of localName === "ol" ? ["start"] : ["title"]) {
    const value = from.getAttribute(name);
    if (value !== null) to.setAttribute(name, value);
  }
}

function copyChildren(from: Node, to: Node, depth: number): void {
  for (const child of from.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) {
      to.appendChild(document.createTextNode(child.nodeValue ?? ""));
    } else if (child.nodeType === Node.ELEMENT_NODE) {
      copyElement(child as Element, to, depth);
    }
  }
}

function copyElement(from: Element, to: Node, depth: number): void {
  const name = from.localName;
  if (from.namespaceURI !== "http://www.w3.org/1999/xhtml" || DROPPED.has(name) || depth > MAX_DEPTH) return;
  if (!TAGS.has(name)) {
    copyChildren(from, to, depth + 1);
    return;
  }
  const copy = document.createElement(name);
  copyAttributes(from, copy);
  copyChildren(from, copy, depth + 1);
  to.appendChild(copy);
}

/** Find the body without asking the document, whose properties its own elements may hide (DOM clobbering). */
function bodyOf(parsed: Document): Node {
  const isBody = (node: Node): number => (node.nodeName === "BODY" ? NodeFilter.FILTER_ACCEPT : NodeFilter.FILTER_SKIP);
  return document.createTreeWalker(parsed, NodeFilter.SHOW_ELEMENT, isBody).nextNode() ?? parsed;
}

/** Return sanitised HTML as nodes, or the plain text where it cannot be parsed. */
export function renderHtml(html: string, text: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  try {
    copyChildren(bodyOf(parser()(html)), fragment, 0);
  } catch {
    fragment.replaceChildren(text); // the page's policy forbids it, or the markup hides what is needed to read it
  }
  return fragment;
}
