/** Building elements without markup: nothing here parses HTML. */

export type Child = Node | string | null | undefined | false;
type Listener = (event: Event) => void;
type Value = string | number | boolean | null | undefined | Listener;

/**
 * Create an element. Members of `values` are attributes, or listeners where the name begins with `on`; true sets an
 * empty attribute, and false, null and undefined set none. Parts are classes, too.
 */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  values: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(values)) {
    if (name === "part" && typeof value === "string") element.className = value;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else setAttribute(element, name, value);
  }
  append(element, children);
  return element;
}

/** Set an attribute, or remove it for false, null and undefined. */
export function setAttribute(element: Element, name: string, value: Exclude<Value, Listener>): void {
  if (value === false || value === null || value === undefined) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

export function append(element: Element, children: Iterable<Child>): void {
  for (const child of children) if (child) element.append(child);
}

/** Create a button with a text. */
export function button(text: string, part: string, onclick: Listener, values: Record<string, Value> = {}): HTMLButtonElement {
  return el("button", { type: "button", part: `button ${part}`, onclick, ...values }, text);
}

let last = 0;

/** Return an id that no other element of the page has. */
export function uniqueId(): string {
  last += 1;
  return `broadsheet-${last}`;
}

/** Make a style sheet, which a content security policy allows as it is not part of any markup. */
export function makeSheet(text: string): CSSStyleSheet {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  return sheet;
}
