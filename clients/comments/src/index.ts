import { BroadsheetComments } from "./element.ts";

export { BroadsheetComments };
export type { TokenSource } from "./client.ts";
export type { Strings } from "./strings/index.ts";

if (!customElements.get("broadsheet-comments")) customElements.define("broadsheet-comments", BroadsheetComments);

declare global {
  interface HTMLElementTagNameMap {
    "broadsheet-comments": BroadsheetComments;
  }
}
