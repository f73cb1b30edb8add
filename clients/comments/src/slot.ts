/** A place below a comment in which one form at a time is opened, and where it is said how it ended. */

import { button, el } from "./dom.ts";
import { describe } from "./errors.ts";
import type { Form } from "./form.ts";
import type { Translation } from "./strings/index.ts";

/** Close a form, and say what was done. */
export type Close = (text?: string) => void;

/** Make a paragraph that tells something. */
export function note(text: string): HTMLParagraphElement {
  return el("p", { part: "note" }, text);
}

export class Slot {
  readonly element = el("div", { part: "slot" });
  readonly #t: Translation;
  readonly #say: (text: string) => void;
  readonly #focus: () => void;
  #opener: HTMLElement | null = null;

  /** @param focus puts the focus elsewhere, if the button that opened the form is gone. */
  constructor(t: Translation, say: (text: string) => void, focus: () => void) {
    this.#t = t;
    this.#say = say;
    this.#focus = focus;
  }

  /** Make a button that opens a form, and closes it again. */
  makeToggle(text: string, part: string, make: (close: Close) => Form | Promise<Form>): HTMLButtonElement {
    const close: Close = (done) => this.close(done);
    const toggle = button(
      text,
      part,
      () => {
        if (this.#opener === toggle) this.close();
        else void this.attempt(async () => this.#open(toggle, await make(close)));
      },
      { "aria-expanded": "false" },
    );
    return toggle;
  }

  #open(opener: HTMLElement, form: Form): void {
    this.close();
    this.#opener = opener;
    opener.setAttribute("aria-expanded", "true");
    this.element.append(form.element);
    form.focus();
  }

  /** Close the open form, say what was done, and put the focus where it was. */
  close(text?: string): void {
    const hadFocus = this.element.contains((this.element.getRootNode() as ShadowRoot).activeElement);
    const opener = this.#opener;
    this.#opener = null;
    this.show(text ? note(text) : "");
    opener?.setAttribute("aria-expanded", "false");
    if (text) this.#say(text);
    if (!hadFocus) return;
    if (opener?.isConnected) opener.focus();
    else this.#focus();
  }

  show(content: Node | string): void {
    this.element.replaceChildren(content);
  }

  /** Do something, and say here if it fails. */
  async attempt(action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.show(el("p", { part: "error", role: "alert" }, describe(error, this.#t)));
    }
  }
}
