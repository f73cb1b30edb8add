/** The part of a discussion that is shown, and the panel that tells of it. */

import { append, button, el } from "./dom.ts";
import type { Passage } from "./passages.ts";
import type { Translation } from "./strings/index.ts";
import type { Comment } from "./types.ts";

export type View =
  | { kind: "threads" | "inline" }
  | { kind: "passage"; passage: Passage }
  /** One comment below those that it answers, from the top of the thread down. */
  | { kind: "thread"; chain: Comment[] };

/** Say which part is shown, and lead back to the passage in the text. */
export function fillContext(
  panel: HTMLElement,
  t: Translation,
  view: View,
  ontext: ((id: string) => void) | false,
): void {
  panel.replaceChildren();
  panel.dataset["view"] = view.kind;
  if (view.kind === "threads" || view.kind === "inline") return;
  const passage = view.kind === "passage" ? view.passage : null;
  append(panel, [
    el("h3", {}, t.text(`view.${view.kind}`)),
    passage && el("blockquote", { part: "quote", dir: "auto" }, passage.exact),
    passage?.question && el("p", { part: "question", dir: "auto" }, passage.question),
    passage && ontext && button(t.text("view.text"), "view-text", () => ontext(passage.id)),
  ]);
}
