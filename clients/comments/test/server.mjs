// Broadsheet on a free port, and pages with the component on another one.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
export const PYTHON = process.env.PYTHON ?? join(ROOT, ".venv/bin/python");
const MAX_START_SECONDS = 90;
const at = (path) => fileURLToPath(new URL(path, import.meta.url));

async function findPort() {
  const socket = createSocket().listen(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  return port;
}

async function waitFor(url, child, log) {
  const until = Date.now() + MAX_START_SECONDS * 1000;
  while (child.exitCode === null && Date.now() < until) {
    const answer = await fetch(url).catch(() => null); // it does not listen yet
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the server does not start:\n${log()}`);
}

/** Start the API with the sample publication, for pages of `origin`; `settings` are those of the server. */
export async function startApi(origin, settings = {}) {
  const folder = await mkdtemp(join(tmpdir(), "broadsheet-comments-"));
  const port = await findPort();
  const env = { ...process.env };
  const all = { DATA_DIR: folder, FRONTEND_ORIGINS: origin, RATE_LIMITS: "off", LOG_LEVEL: "warning", ...settings };
  for (const [name, value] of Object.entries(all)) env[`BROADSHEET_${name}`] = value;
  const child = spawn(PYTHON, ["-m", "app", "demo", "--port", String(port)], {
    cwd: ROOT,
    env,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let log = "";
  child.stderr.on("data", (data) => (log += data));
  const url = `http://localhost:${port}`;
  await waitFor(`${url}/healthz`, child, () => log);
  const key = (await readFile(join(folder, "editor.key"), "utf8")).trim();
  return {
    url,
    /** Send a request with the editor's key, or another token, or null for none; return its JSON. */
    async send(method, path, body, token = key) {
      const headers = { "content-type": "application/json", "if-match": "*", ...(token && { authorization: `Bearer ${token}` }) };
      const answer = await fetch(url + path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      return text && JSON.parse(text);
    },
    async stop() {
      child.kill();
      if (child.exitCode === null) await once(child, "exit");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The least that the policy of a page with the component has to allow (CSP 3, Trusted Types). */
const policyFor = (api) =>
  `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: ${api}; connect-src ${api}; ` +
  "require-trusted-types-for 'script'; trusted-types broadsheet-comments";

/**
 * Serve pages with the component: `?article=` and other attributes of the element, `lang` of the page, and `open` for a
 * page without a policy. Requests for `/hit/` are counted: XSS vectors make them.
 */
export async function startSite() {
  let api = "";
  let hits = 0;
  const answer = async (request, response) => {
    const { pathname, searchParams: query } = new URL(request.url, "http://localhost");
    const name = pathname.slice(1);
    if (name.startsWith("hit")) hits += 1;
    if (/^broadsheet-comments[.\w]*\.js$/.test(name)) {
      response.writeHead(200, { "content-type": "text/javascript" }).end(await readFile(at(`../dist/${name}`)));
    } else if (name === "page.css") {
      response.writeHead(200, { "content-type": "text/css" }).end(await readFile(at(name)));
    } else if (name === "") {
      const article = await fetch(`${api}/v1/articles/${query.get("article")}?block_ids=true`).then((found) => found.json());
      const [lang, policy] = [query.get("lang") ?? "en", query.has("open") ? {} : { "content-security-policy": policyFor(api) }];
      const attributes = [...query].map(([key, value]) => `${key}="${value}"`).join(" ");
      const page = (await readFile(at("page.html"), "utf8"))
        .replace("<!-- text -->", () => article.body.html)
        .replaceAll("<!-- title -->", () => article.title)
        .replace('lang="en"', `lang="${lang}" dir="${lang === "ar" ? "rtl" : "ltr"}"`)
        .replace('id="comments"', () => `id="comments" api="${api}" ${attributes}`);
      response.writeHead(200, { "content-type": "text/html; charset=utf-8", ...policy }).end(page);
    } else {
      response.writeHead(404).end();
    }
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => response.writeHead(500).end(String(error)));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://localhost:${server.address().port}`,
    use: (address) => (api = address),
    hits: () => hits,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}
