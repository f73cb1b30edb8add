/** Forms with labels, messages at their fields, and errors of the API in words. */

import { append, button, el, setAttribute, uniqueId, type Child } from "./dom.ts";
import { describe, fieldErrors } from "./errors.ts";
import type { Translation } from "./strings/index.ts";

type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

export interface FieldOptions {
  /** The JSON pointer of the field in the request's body, to which errors of the API refer. */
  pointer: string;
  required?: boolean;
  hint?: string;
}

/** A control with its label and the message of what is wrong with it. */
export class Field<C extends Control = Control> {
  readonly label: HTMLElement;
  readonly row: HTMLElement;
  readonly #message: HTMLElement;

  constructor(
    label: string,
    readonly control: C,
    readonly options: FieldOptions,
  ) {
    control.id = uniqueId();
    this.#message = el("p", { id: uniqueId(), class: "invalid", hidden: true });
    const hint = options.hint ? el("p", { id: uniqueId(), class: "hint" }, options.hint) : null;
    setAttribute(control, "aria-describedby", [hint?.id, this.#message.id].filter(Boolean).join(" "));
    setAttribute(control, "aria-required", options.required ? "true" : null);
    this.label = el("label", { for: control.id, part: "label", dir: "auto" }, label);
    this.row = el("div", { class: "field" }, this.label, control, hint, this.#message);
  }

  get value(): string {
    return this.control.value.trim();
  }

  setLabel(label: string): void {
    this.label.textContent = label;
  }

  /** Say what is wrong with the value; null for nothing. */
  complain(text: string | null): void {
    this.#message.textContent = text ?? "";
    this.#message.hidden = text === null;
    setAttribute(this.control, "aria-invalid", text === null ? null : "true");
  }
}

export function input(
  type: "text" | "email",
  part: string,
  values: Record<string, string | number | null> = {},
): HTMLInputElement {
  return el("input", { type, part: `input ${part}`, ...values });
}

export function select(part: string, options: readonly (readonly [string, string])[]): HTMLSelectElement {
  return el("select", { part: `input ${part}` }, ...options.map(([value, text]) => el("option", { value }, text)));
}

export interface FormOptions {
  part: string;
  label: string;
  fields: readonly Field[];
  /** What stands between the fields and the buttons; fields in it are not put before it. */
  extra?: readonly Child[];
  submit: string;
  /** Called with valid fields; a rejection is shown in the form. */
  onsubmit(): Promise<void>;
  oncancel?: (() => void) | undefined;
}

/** A form. While it is being sent it cannot be sent again. */
export class Form {
  readonly element: HTMLFormElement;
  readonly error: HTMLElement;
  readonly #send: HTMLButtonElement;

  readonly #t: Translation;
  readonly #options: FormOptions;

  constructor(t: Translation, options: FormOptions) {
    this.#t = t;
    this.#options = options;
    const { oncancel } = options;
    this.error = el("p", { role: "alert", part: "error" });
    this.#send = el("button", { type: "submit", part: "button submit" }, el("span", {}, options.submit));
    const cancel = oncancel ? button(t.text("cancel"), "cancel", () => oncancel()) : null;
    this.element = el("form", {
      part: `form ${options.part}`,
      "aria-label": options.label,
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        void this.#submit();
      },
      onkeydown: (event) => this.#onkeydown(event as KeyboardEvent),
    });
    const rows = options.fields.map((field) => field.row);
    append(this.element, [...rows.filter((row) => !row.parentElement), ...(options.extra ?? []), this.error]);
    this.element.append(el("div", { class: "buttons" }, this.#send, cancel));
  }

  focus(): void {
    (this.#options.fields.find((field) => !field.row.hidden)?.control ?? this.#send).focus();
  }

  #onkeydown(event: KeyboardEvent): void {
    if (event.key === "Escape" && this.#options.oncancel) {
      event.stopPropagation();
      this.#options.oncancel();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void this.#submit();
    }
  }

  async #submit(): Promise<void> {
    if (this.#send.getAttribute("aria-disabled")) return;
    const { fields, onsubmit } = this.#options;
    for (const field of fields) {
      const isMissing = field.options.required && !field.row.hidden && !field.value;
      field.complain(isMissing ? this.#t.text("required") : null);
    }
    this.error.textContent = "";
    if (this.#focusInvalid()) return;
    this.#setBusy(true);
    try {
      await onsubmit();
    } catch (error) {
      this.#show(error);
    } finally {
      this.#setBusy(false);
    }
  }

  /** The button stays focusable, so that the focus is not lost. */
  #setBusy(isBusy: boolean): void {
    setAttribute(this.#send, "aria-disabled", isBusy ? "true" : null);
    setAttribute(this.element, "aria-busy", isBusy ? "true" : null);
  }

  #show(error: unknown): void {
    const messages = fieldErrors(error);
    for (const field of this.#options.fields) {
      const message = field.row.hidden ? undefined : messages.get(field.options.pointer);
      if (message !== undefined) field.complain(message);
    }
    this.error.textContent = describe(error, this.#t);
    this.#focusInvalid();
  }

  #focusInvalid(): boolean {
    const invalid = this.#options.fields.find((field) => field.control.getAttribute("aria-invalid"));
    invalid?.control.focus();
    return invalid !== undefined;
  }
}
