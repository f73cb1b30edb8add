/** Telling users of screen readers what has changed, without interrupting them. */

import { el } from "./dom.ts";

const PAUSE_MILLISECONDS = 400;

export class Announcer {
  readonly element = el("div", { role: "status", class: "unseen" });
  #waiting = "";

  /** Say something soon; what is said at about the same time is said together. */
  say(text: string): void {
    if (!this.#waiting) {
      this.element.textContent = ""; // so that the same text is said again
      window.setTimeout(() => {
        this.element.textContent = this.#waiting;
        this.#waiting = "";
      }, PAUSE_MILLISECONDS);
    }
    this.#waiting += `${text} `;
  }
}
