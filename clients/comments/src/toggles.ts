/** Groups of buttons that are pressed or not, each with a number. */

import { button, el } from "./dom.ts";
import type { Translation } from "./strings/index.ts";

export class Toggles {
  readonly element: HTMLElement;
  readonly #buttons = new Map<string, { toggle: HTMLButtonElement; count: HTMLElement }>();
  readonly #t: Translation;
  readonly #part: string;
  readonly #onpress: (name: string) => void;

  constructor(t: Translation, part: string, label: string, onpress: (name: string) => void) {
    this.element = el("div", { part: `${part}s`, role: "group", "aria-label": label });
    this.#t = t;
    this.#part = part;
    this.#onpress = onpress;
  }

  /** Show a button with its number; it is made at its first use. */
  show(name: string, text: string, count: number, isPressed: boolean, isEnabled = true): void {
    let shown = this.#buttons.get(name);
    if (!shown) {
      const toggle = button("", `${this.#part} ${name}`, () => this.#onpress(name));
      shown = { toggle, count: el("span", { class: "count" }) };
      toggle.append(el("span", { class: "label" }, text), " ", shown.count);
      this.#buttons.set(name, shown);
      this.element.append(toggle);
    }
    shown.count.textContent = this.#t.formatNumber(count);
    shown.toggle.setAttribute("aria-pressed", String(isPressed));
    shown.toggle.disabled = !isEnabled;
  }
}
