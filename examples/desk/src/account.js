// One's own account: name, password, one-time codes, passkeys, accounts at providers, and sessions.
import { get, patch, post, put, remove } from "./api.js";
import { action, actions, ask, field, form, h, list, section, time } from "./dom.js";
import { goToProvider, makePasskey, newPassword, signOut } from "./sign-in.js";

const PATH = "/v1/people/me";
const [PASSKEYS, ACCOUNTS, SESSIONS] = ["passkeys", "identities", "sessions"].map((name) => `${PATH}/${name}`);
const used = (at) => (at ? [" used ", time(at), " "] : " not used yet ");
const codeField = () => field("Code that the app shows", { name: "code", required: true, autocomplete: "one-time-code", autofocus: true });
const passkeyField = () => field("Name of the passkey", { name: "name", value: "This device", required: true, autofocus: true });

/** Show a secret, confirm the first code, and show the recovery codes, which nothing shows again. */
async function setUpCodes() {
  const { secret, uri } = await post(`${PATH}/totp`);
  const how = h("p", "Type this key into your authenticator app: ", h("code", secret), ". ");
  how.append("Or ", h("a", { href: uri }, "open the app"), " on this device.");
  const confirm = ({ code }) => put(`${PATH}/totp`, { code });
  const codes = await ask("One-time codes", [how, codeField()], { go: "Confirm" }, confirm);
  if (!codes) return;
  const words = "Keep these recovery codes. Each signs you in once if you lose the device; they are not shown again.";
  await ask("Recovery codes", [h("p", words), h("pre", { tabindex: "0" }, codes.recovery_codes.join("\n"))]);
}

export async function showAccount({ me, signal }) {
  if (me.kind !== "person") return h("p", `You use the API key “${me.name}”. Keys have no password and no sessions.`);
  const read = (path) => get(path, { signal });
  const change = (run) => async (values) => (await run(values), dispatchEvent(new Event("signed-in"))); // reads who one is anew
  const end = (path, label = "Remove") => action(label, change(() => remove(path)));
  const [{ email, methods }, { providers }, passkeys, accounts, sessions] = await Promise.all([
    read(PATH),
    read("/v1/sign-in"),
    list(PASSKEYS, ({ id, name, last_used_at: at }) => [h("strong", name), used(at), end(`${PASSKEYS}/${id}`)], { read }),
    list(ACCOUNTS, ({ id, provider, issuer, last_used_at: at }) => [provider ?? issuer, used(at), end(`${ACCOUNTS}/${id}`)], { read }),
    list(SESSIONS, drawSession, { read }),
  ]);

  function drawSession({ id, method, client, current, refreshed_at: at }) {
    return [`${client}, by ${method},`, used(at), current ? h("small", "This session") : end(`${SESSIONS}/${id}`, "End")];
  }

  const addPasskey = async ({ name }) => post(PASSKEYS, { name, credential: await makePasskey(`${PASSKEYS}/options`) });
  const rename = change((values) => patch(PATH, values));
  const setPassword = change((values) => put(`${PATH}/password`, values));
  const usesCodes = methods.includes("totp");
  const link = ({ id, name }) => action(`Link ${name}`, () => goToProvider(id, ACCOUNTS), { done: null });
  const again = action("Sign in again", () => signOut(location.hash), { done: null });
  const factor = "Your roles need a second factor: set up one-time codes, or add a passkey and sign in with it.";
  return [
    me.needs_second_factor && h("p.wrong", factor),
    h("p", `${email}. What is below can be changed within 15 minutes after signing in. `, again),
    h(
      "div.columns",
      section(
        "Name and password",
        form(rename, field("Name", { name: "name", value: me.name, required: true }), h("button", "Change the name")),
        form(setPassword, newPassword("New password"), h("button", "Set the password")),
      ),
      section(
        "One-time codes",
        h("p", usesCodes ? "Asked for whenever you sign in with your password." : "Not set up."),
        usesCodes ? end(`${PATH}/totp`, "Stop using codes") : action("Set up…", change(setUpCodes), { done: null }),
      ),
      section("Passkeys", passkeys.elements, actions(action("Add a passkey…", change(addPasskey), { fields: passkeyField }))),
      section("Accounts at providers", accounts.elements, actions(providers.map(link))),
      section("Sessions", sessions.elements, actions(action("End all others", change(() => remove(SESSIONS))))),
    ),
  ];
}
