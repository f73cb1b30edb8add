// Start the API with the sample publication, the site, and between them a proxy that counts what the site asks for.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync } from "node:zlib";

const ROOT = new URL("../../../", import.meta.url).pathname;

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

async function until(what, check, seconds = 60) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await new Promise((done) => setTimeout(done, 50))) {
    const value = await check().catch(() => null);
    if (value) return value;
  }
  throw new Error(`${what} is not there after ${seconds} seconds`);
}

function start(command, args, env, cwd) {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (text) => (errors = (errors + text).slice(-4000)));
  child.on("exit", (code) => code && console.error(errors));
  return child;
}

/** A proxy to the API; `calls` has the path and the size with brotli of every answer. */
async function startProxy(target) {
  const calls = [];
  const server = createServer((incoming, outgoing) => {
    const { url, method, headers } = incoming;
    const onward = request(new URL(url, target), { method, headers }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
      answer.on("end", () => {
        const body = Buffer.concat(parts);
        const size = answer.headers["content-encoding"] === "br" ? body.length : brotliCompressSync(body).length;
        calls.push({ path: url.split("?")[0], size });
      });
    });
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, calls, close: () => server.closeAllConnections() ?? server.close() };
}

/** Start all for the site in a folder of examples; `build` is called in between with its environment. */
export async function startAll(folder = "site", entry = "dist/server/server.js", build = async () => {}) {
  const data = await mkdtemp(join(tmpdir(), "broadsheet-site-"));
  const [apiPort, sitePort] = [await freePort(), await freePort()];
  const [api, site] = [`http://localhost:${apiPort}`, `http://localhost:${sitePort}`];
  const env = { BROADSHEET_DATA_DIR: data, BROADSHEET_SITE_URL: site, BROADSHEET_FRONTEND_ORIGINS: site };
  const children = [start(process.env.PYTHON ?? ".venv/bin/python", ["-m", "app", "demo", "--port", String(apiPort)], env, ROOT)];
  await until("The API", async () => (await fetch(`${api}/readyz`)).ok);
  const proxy = await startProxy(api);
  const settings = { API_URL: proxy.url, PORT: String(sitePort), HOST: "127.0.0.1" };
  await build(settings);
  children.push(start("node", [entry], settings, `${ROOT}examples/${folder}`));
  await until("The site", async () => (await fetch(site)).ok);
  const key = (await readFile(join(data, "editor.key"), "utf8")).trim();

  return {
    api,
    site,
    calls: proxy.calls,
    settings,
    /** Send a request to the API as the editor. */
    async edit(method, path, body) {
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", "if-match": "*" };
      const answer = await fetch(api + path, { method, headers, body: body && JSON.stringify(body) });
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
      return answer.json();
    },
    /** Wait for a mail to an address; return its text. */
    mailTo(address) {
      return until(`A mail to ${address}`, async () => {
        for (const name of await readdir(join(data, "mail/new"))) {
          const mail = await readFile(join(data, "mail/new", name), "utf8");
          if (mail.includes(address)) return mail;
        }
      });
    },
    async stop() {
      proxy.close();
      for (const child of children.reverse()) {
        const ended = once(child, "exit");
        child.kill("SIGTERM");
        await ended;
      }
      await rm(data, { recursive: true });
    },
  };
}
