// One's own account: name, password, one-time codes, passkeys, accounts at providers, and sessions.
import { get, patch, post, put, readSession, remove } from "./api.js";
import { action, actions, ask, field, form, h, list, section, time } from "./dom.js";
import { goToProvider, makePasskey, newPassword, signOut } from "./sign-in.js";

const PATH = "/v1/people/me";

export async function showAccount({ me, signal, redraw }) {
  if (me.kind !== "person") return h("p", `You use the API key “${me.name}”. Keys have no password and no sessions.`);
  const read = (path) => get(path, { signal });
  const [{ email, methods }, { providers }] = await Promise.all([read(PATH), read("/v1/sign-in")]);
  const change = (run) => async (values) => (await run(values), redraw());
  const end = (path, label = "Remove") => action(label, change(() => remove(path)));
  const at = (used) => (used ? ["used ", time(used)] : "not used yet");
  const parts = ["passkeys", "identities", "sessions"].map((name) => `${PATH}/${name}`);
  const [passkeys, accounts, sessions] = await Promise.all([
    list(parts[0], (key) => [h("strong", key.name), " ", at(key.last_used_at), " ", end(`${parts[0]}/${key.id}`)], { read }),
    list(parts[1], (one) => [one.provider ?? one.issuer, " ", at(one.last_used_at), " ", end(`${parts[1]}/${one.id}`)], { read }),
    list(parts[2], drawSession, { read }),
  ]);

  function drawSession({ id, method, client, current, refreshed_at: used }) {
    return [`${client}, by ${method}, `, time(used), " ", current ? h("small", "This session") : end(`${parts[2]}/${id}`, "End")];
  }

  /** Show the secret, confirm the first code, and show the recovery codes, which nothing shows again. */
  async function setUpCodes() {
    const { secret, uri } = await post(`${PATH}/totp`);
    const code = field("Code that the app shows", { name: "code", required: true, autocomplete: "one-time-code", autofocus: true });
    const told = h("p", "Type this key into your authenticator app: ", h("code", secret), ". Or ", h("a", { href: uri }, "open the app"), " on this device.");
    const codes = await ask("One-time codes", [told, code], { go: "Confirm" }, (values) => put(`${PATH}/totp`, { code: values.code }));
    if (!codes) return;
    const words = "Keep these recovery codes. Each signs you in once if you lose the device; they are not shown again.";
    await ask("Recovery codes", [h("p", words), h("pre", { tabindex: "0" }, codes.recovery_codes.join("\n"))]);
    redraw();
  }

  async function addPasskey({ name }) {
    await post(parts[0], { name, credential: await makePasskey(`${parts[0]}/options`) });
    redraw();
  }

  const name = field("Name", { name: "name", value: me.name, required: true });
  const passkeyName = () => field("Name of the passkey", { name: "name", value: "This device", required: true, autofocus: true });
  const rename = async (values) => (await patch(PATH, values), dispatchEvent(new Event("signed-in")));
  return [
    h("p", `${email}. What is below can be changed within 15 minutes after signing in. `, action("Sign in again", () => signOut(location.hash), { done: null })),
    h(
      "div.columns",
      section("Name and password", form(rename, name, h("button", "Change the name")), form(change((values) => put(`${PATH}/password`, values)), newPassword("New password"), h("button", "Set the password"))),
      section(
        "One-time codes",
        h("p", methods.includes("totp") ? "Asked for whenever you sign in with your password." : "Not set up."),
        actions(methods.includes("totp") ? end(`${PATH}/totp`, "Stop using codes") : action("Set up…", setUpCodes, { done: null })),
      ),
      section("Passkeys", passkeys.elements, actions(action("Add a passkey…", addPasskey, { fields: passkeyName }))),
      section("Accounts at providers", accounts.elements, actions(providers.map(({ id, name: at }) => action(`Link ${at}`, () => goToProvider(id, parts[1]), { done: null })))),
      section("Sessions", sessions.elements, actions(action("End all others", change(() => remove(parts[2]))))),
    ),
  ];
}
