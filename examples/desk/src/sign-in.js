// Signing in by password, passkey, a provider (OpenID Connect) or an API key; accepting an invitation; signing out.
import { get, post, readDevice, readSession, settle, storeSession } from "./api.js";
import { button, field, form, h, say } from "./dom.js";

const REDIRECT = "desk.redirect"; // what binds the answer of a provider to this tab
const HOME = location.origin + location.pathname;
const anonymous = { token: null };

function enter(tokens) {
  storeSession(tokens);
  history.replaceState(null, "", HOME); // an invitation is not left in the address
  dispatchEvent(new Event("signed-in"));
}

export async function signIn() {
  const { methods, providers } = await get("/v1/sign-in", anonymous);
  const code = field("Code", { name: "totp", autocomplete: "one-time-code", hint: "From your authenticator app." });
  code.hidden = true;
  const withPassword = async ({ email, password, totp }) => {
    try {
      enter(await post("/v1/sign-in/password", { email, password, device: readDevice(), ...(totp && { totp }) }, anonymous));
    } catch (error) {
      if (error.code !== "totp_required") throw error;
      code.hidden = false;
      code.querySelector("input").focus();
      say(error.message);
    }
  };
  const withKey = async ({ key }) => {
    await get("/v1/whoami", { token: key.trim() });
    enter({ access_token: key.trim() });
  };
  return h(
    "div",
    { class: "narrow" },
    form(
      withPassword,
      field("E-mail", { name: "email", type: "email", autocomplete: "username", required: true, autofocus: true }),
      field("Password", { name: "password", type: "password", autocomplete: "current-password", required: true }),
      code,
      h("button", {}, "Sign in"),
    ),
    h(
      "p",
      { class: "actions" },
      methods.includes("passkey") && button("Use a passkey", usePasskey),
      providers.map(({ id, name }) => button(`Sign in with ${name}`, () => goToProvider(id))),
    ),
    h(
      "details",
      {},
      h("summary", {}, "Use an API key"),
      form(
        withKey,
        field("API key", { name: "key", type: "password", autocomplete: "off", required: true }),
        h("button", {}, "Use the key"),
      ),
    ),
  );
}

async function usePasskey() {
  const options = await post("/v1/sign-in/passkey/options", {}, anonymous);
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = await navigator.credentials.get({ publicKey });
  enter(await post("/v1/sign-in/passkey", { credential: credential.toJSON() }, anonymous));
}

/** Leave for the page of a provider, which sends the browser back here with a code. */
async function goToProvider(provider) {
  const { url, state, binding } = await post("/v1/sign-in/oidc", { provider, redirect_uri: HOME }, anonymous);
  sessionStorage.setItem(REDIRECT, JSON.stringify({ state, binding }));
  location.assign(url);
}

/** Finish a sign-in at a provider if the browser comes back from one. */
export async function finishRedirect() {
  const answer = new URLSearchParams(location.search);
  const begun = JSON.parse(sessionStorage.getItem(REDIRECT));
  if (!answer.has("state") || !begun) return;
  sessionStorage.removeItem(REDIRECT);
  history.replaceState(null, "", HOME); // a code is not left in the address
  const code = answer.get("code");
  if (answer.get("state") !== begun.state || !code) throw new Error("The provider did not sign you in. Try again.");
  const iss = answer.get("iss");
  storeSession(await post("/v1/sign-in/oidc/finish", { ...begun, code, ...(iss && { iss }) }, anonymous));
}

export async function acceptInvitation({ parts: [token] }) {
  const accept = async (proof) => enter(await post("/v1/invitations/accept", { token, ...proof }, anonymous));
  const withPasskey = async () => {
    const options = await post("/v1/invitations/passkey/options", { token }, anonymous);
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    const credential = await navigator.credentials.create({ publicKey });
    await accept({ passkey: credential.toJSON() });
  };
  const withPassword = ({ name, email, password }) => accept({ password, ...(name && { name }), ...(email && { email }) });
  const password = { name: "password", type: "password", autocomplete: "new-password", required: true, autofocus: true };
  return h(
    "div",
    { class: "narrow" },
    h("p", {}, "Choose how you will sign in. The invitation works once."),
    form(
      withPassword,
      field("Password", { ...password, minlength: 12 }),
      field("Your name", { name: "name", autocomplete: "name", hint: "Empty: the name by which you were invited." }),
      field("Your e-mail", { name: "email", type: "email", autocomplete: "email", hint: "Only for the owner, who has none here yet." }),
      h("button", {}, "Set the password"),
    ),
    h("p", { class: "actions" }, button("Make a passkey instead", withPasskey)),
  );
}

export async function signOut() {
  await settle();
  if (readSession()?.refresh_token) await post("/v1/sign-out").catch(() => {}); // it has ended already
  storeSession(null);
  dispatchEvent(new Event("signed-out"));
}
