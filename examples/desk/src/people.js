// People of the staff and their roles: anybody sees them, administrators invite and change them.
import { get, patch, post, put } from "./api.js";
import { action, actions, ask, field, h, list, say, tag, time } from "./dom.js";

export async function listPeople({ me, signal }) {
  const { data: roles } = await get("/v1/roles", { signal });
  const roleNames = Object.fromEntries(roles.map(({ role, name }) => [role, name]));
  const sectionNames = Object.fromEntries(me.sections.map(({ id, name }) => [id, name]));
  const roleFields = () => [
    field("Role", { name: "role" }, roleNames),
    field("For", { name: "section" }, { "": "Everything", ...sectionNames }),
  ];
  const inviteFields = () => [
    field("Name", { name: "name", required: true, autofocus: true }),
    field("E-mail", { name: "email", type: "email", required: true }),
    roleFields(),
  ];
  const grantOf = ({ role, section }) => ({ role, sections: section ? [section] : null });

  async function invite({ id, name }) {
    const { url, expires_at: until } = await post(`/v1/people/${id}/invitations`);
    const address = field(`Give this address to ${name}, and to nobody else`, { value: url, readonly: true });
    const told = h("p", "It works once, until ", time(until), ". If the server sends mail, it is on its way.");
    await ask("Invitation", [address, told]);
  }

  async function add({ name, email, ...grant }) {
    const person = await post("/v1/people", { name, email });
    await put(`/v1/people/${person.id}/grants`, [grantOf(grant)]).finally(people.load);
    await invite(person);
  }

  function drawPerson(person) {
    const { id, name, email, state, grants, signed_in_at: at } = person;
    const byHand = grants.filter(({ provider }) => !provider); // those by groups of a provider change at sign-in
    const give = (rest) => put(`/v1/people/${id}/grants`, rest.map(({ role, sections }) => ({ role, sections }))).finally(people.load);
    const suspend = (suspended) => patch(`/v1/people/${id}`, { suspended }).finally(people.load);
    const drawGrant = (grant) => {
      const where = (grant.sections ?? []).map((section) => sectionNames[section] ?? "another section");
      const take = () => give(byHand.filter((other) => other !== grant));
      const mayTake = me.may("admin") && byHand.includes(grant);
      return h("li", [roleNames[grant.role] ?? grant.role, ...where].join(", "), mayTake && action("Take away", take));
    };
    return [
      [h("strong", name), email && h("small", email), at && h("small", "signed in ", time(at))],
      h("ul.plain", grants.map(drawGrant)),
      tag(state),
      me.may("admin") &&
        actions(
          action("Give a role…", (values) => give([...byHand, grantOf(values)]), { fields: roleFields }),
          state !== "suspended" && action("Invite again", () => invite(person), { done: null }),
          id !== me.person && state !== "suspended" && action("Suspend", () => suspend(true)),
          state === "suspended" && action("Let in again", () => suspend(false)),
        ),
    ];
  }

  const read = (path) => get(path, { signal });
  const people = await list("/v1/people", drawPerson, { read, columns: ["Name", "Roles", "State", ""] });
  const inviteButton = action("Invite…", add, { title: "Invite", fields: inviteFields, done: "Invited." });
  return [me.may("admin") && actions(inviteButton), people.elements];
}
