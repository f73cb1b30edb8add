// Signing in and out.
import { call, get, storeSession } from "./api.js";
import { field, form, h } from "./dom.js";

export async function signIn() {
  return [
    form(
      async ({ key }) => {
        await get("/v1/whoami", { token: key.trim() });
        storeSession({ access_token: key.trim() });
        dispatchEvent(new Event("signed-in"));
      },
      field("API key", { name: "key", type: "password", autocomplete: "off", required: true, autofocus: true }),
      h("button", {}, "Sign in"),
    ),
  ];
}

export async function signOut() {
  storeSession(null);
  dispatchEvent(new Event("signed-out"));
}
export const finishRedirect = async () => {};
export const acceptInvitation = async () => "";
