// The demo with the desk on two free ports, and people of the outside: readers and machines, who use the API directly.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const MAX_START_SECONDS = 120;

const listen = async (port) => {
  const socket = createServer().listen(port, "127.0.0.1");
  await once(socket, "listening");
  return socket;
};

/** Find a free port after which another one is free. */
async function findPorts() {
  for (;;) {
    const first = await listen(0);
    const { port } = first.address();
    const second = await listen(port + 1).catch(() => null);
    first.close();
    second?.close();
    if (second) return port;
  }
}

const PYTHON = process.env.PYTHON ?? join(ROOT, ".venv/bin/python");

/** Run the OpenID provider of the server's tests, with one user; return the setting that names it. */
async function startProvider(desk, email) {
  const port = String(await findPorts());
  const child = spawn(PYTHON, ["-m", "tests.people.provider", port, `${desk}/`, email], { cwd: ROOT });
  const [line] = await once(child.stdout, "data");
  return { setting: String(line).match(/'(.*)'/)[1], stop: () => child.kill() };
}

/** Start the demo; with `providerUser`, the address of one who signs in through a provider. */
export async function startDemo({ providerUser, ...settings } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "broadsheet-desk-"));
  const port = await findPorts();
  const desk = `http://localhost:${port + 1}`;
  const provider = providerUser && (await startProvider(desk, providerUser));
  if (provider) settings = { ...settings, OIDC: provider.setting };
  const env = { ...process.env, BROADSHEET_DATA_DIR: folder, BROADSHEET_LOG_LEVEL: "warning" };
  for (const [name, value] of Object.entries(settings)) env[`BROADSHEET_${name}`] = value;
  const child = spawn(PYTHON, ["-m", "app", "demo", "--port", String(port)], { cwd: ROOT, env });
  let printed = "";
  child.stdout.on("data", (data) => (printed += data));
  child.stderr.on("data", (data) => (printed += data));
  const api = `http://localhost:${port}`;
  for (const end = Date.now() + MAX_START_SECONDS * 1000; !(await fetch(`${api}/readyz`).catch(() => null))?.ok; ) {
    if (child.exitCode !== null || Date.now() > end) throw new Error(`The demo does not start:\n${printed}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const key = (await readFile(join(folder, "editor.key"), "utf8")).trim();
  return {
    api,
    desk,
    key,
    printed: () => printed,
    /** Send a request with the editor's key, another token, or null for none; return its JSON. */
    async send(method, path, body, token = key) {
      const headers = { "content-type": "application/json", "if-match": "*", ...(token && { authorization: `Bearer ${token}` }) };
      const answer = await fetch(api + path, { method, headers, body: body && JSON.stringify(body) });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      return text && JSON.parse(text);
    },
    async stop() {
      provider?.stop();
      child.kill();
      if (child.exitCode === null) await once(child, "exit");
      await rm(folder, { recursive: true, force: true });
    },
  };
}
