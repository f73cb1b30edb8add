// Signing in by password, passkey, a provider (OpenID Connect) or an API key; accepting an invitation; signing out.
import { get, post, readDevice, readSession, settle, storeSession } from "./api.js";
import { actions, button, field, form, h, say } from "./dom.js";

const REDIRECT = "desk.redirect"; // what binds the answer of a provider to this tab
const HOME = location.origin + location.pathname;
const anonymous = { token: null };
const NEW_PASSWORD = { name: "password", type: "password", autocomplete: "new-password", minlength: 12, required: true };
export const newPassword = (label) => field(label, { ...NEW_PASSWORD, hint: "At least 12 characters." });

function enter(tokens) {
  storeSession(tokens);
  history.replaceState(null, "", HOME); // an invitation is not left in the address
  dispatchEvent(new Event("signed-in"));
}

/** A form with a password, which asks for a one-time code where the server wants one. */
function passwordForm(path, fields, submit, more) {
  const hint = "From your authenticator app, or a recovery code.";
  const code = field("Code", { name: "totp", autocomplete: "one-time-code", hint });
  code.hidden = true;
  const send = async (values) => {
    try {
      enter(await post(path, { ...values, ...more() }, anonymous));
    } catch (error) {
      if (error.code !== "totp_required") throw error;
      code.hidden = false;
      code.querySelector("input").focus();
      say(error.message);
    }
  };
  return form(send, fields, code, h("button", submit));
}

export async function signIn() {
  const { methods, providers } = await get("/v1/sign-in", anonymous);
  const withKey = async ({ key }) => {
    await get("/v1/whoami", { token: key.trim() });
    enter({ access_token: key.trim() });
  };
  const usePasskey = async () => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(await post("/v1/sign-in/passkey/options", {}, anonymous));
    const credential = await navigator.credentials.get({ publicKey });
    enter(await post("/v1/sign-in/passkey", { credential: credential.toJSON() }, anonymous));
  };
  const fields = [
    field("E-mail", { name: "email", type: "email", autocomplete: "username", required: true, autofocus: true }),
    field("Password", { name: "password", type: "password", autocomplete: "current-password", required: true }),
  ];
  const key = field("API key", { name: "key", type: "password", autocomplete: "off", required: true });
  return h(
    "div.narrow",
    passwordForm("/v1/sign-in/password", fields, "Sign in", () => ({ device: readDevice() })),
    actions(
      methods.includes("passkey") && button("Use a passkey", usePasskey),
      providers.map(({ id, name }) => button(`Sign in with ${name}`, () => goToProvider(id))),
    ),
    h("details", h("summary", "Use an API key"), form(withKey, key, h("button", "Use the key"))),
  );
}

/** Leave for the page of a provider, which sends the browser back here with a code; `path` is what takes that. */
export async function goToProvider(provider, path = "/v1/sign-in/oidc/finish") {
  const { url, state, binding } = await post("/v1/sign-in/oidc", { provider, redirect_uri: HOME }, anonymous);
  sessionStorage.setItem(REDIRECT, JSON.stringify({ path, state, binding }));
  location.assign(url);
}

/** Finish what was begun at a provider, if the browser comes back from one: a sign-in, or the link to an account. */
export async function finishRedirect() {
  const answer = new URLSearchParams(location.search);
  const { path, state, binding } = JSON.parse(sessionStorage.getItem(REDIRECT)) ?? {};
  if (!answer.has("state") || !path) return;
  sessionStorage.removeItem(REDIRECT);
  const isLink = !path.startsWith("/v1/sign-in");
  history.replaceState(null, "", isLink ? `${HOME}#/account` : HOME); // a code is not left in the address
  const [code, iss] = [answer.get("code"), answer.get("iss")];
  if (answer.get("state") !== state || !code) throw new Error("The provider did not sign you in. Try again.");
  const tokens = await post(path, { state, binding, code, ...(iss && { iss }) }, isLink ? {} : anonymous);
  if (!isLink) storeSession(tokens);
}

/** Make a passkey, for an invitation or oneself; return what the API takes. */
export async function makePasskey(path, body, options) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(await post(path, body, options));
  return (await navigator.credentials.create({ publicKey })).toJSON();
}

export async function acceptInvitation({ parts: [token] }) {
  const withPasskey = async () => {
    const passkey = await makePasskey("/v1/invitations/passkey/options", { token }, anonymous);
    enter(await post("/v1/invitations/accept", { token, passkey }, anonymous));
  };
  const fields = [
    newPassword("Password"),
    field("Your name", { name: "name", autocomplete: "name", hint: "Empty: the name by which you were invited." }),
    field("Your e-mail", { name: "email", type: "email", autocomplete: "email", hint: "Only where you were invited without one." }),
  ];
  return h(
    "div.narrow",
    h("p", "Choose how you will sign in. The invitation works once."),
    passwordForm("/v1/invitations/accept", fields, "Set the password", () => ({ token })),
    actions(button("Make a passkey instead", withPasskey)),
  );
}

/** End the session, to come back to `wanted` after the next sign-in. */
export async function signOut(wanted = HOME) {
  await settle();
  if (readSession()?.refresh_token) await post("/v1/sign-out").catch(() => {}); // it has ended already
  storeSession(null);
  history.replaceState(null, "", wanted);
  dispatchEvent(new Event("signed-out"));
}
