/** The site in production: pages made on request, and what Vite has built for browsers. */

import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";
import { answer, fill } from "./app.js";

const FOLDER = fileURLToPath(new URL("../client/", import.meta.url));
const TEMPLATE = readFileSync(`${FOLDER}index.html`, "utf8");
const TYPES: Record<string, string> = { ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const compress = promisify(brotliCompress);

async function send(response: ServerResponse, status: number, headers: Record<string, string>, body: string | Buffer, brotli: boolean): Promise<void> {
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } };
  const sent = brotli ? await compress(body, quality) : Buffer.from(body);
  const encoding = { vary: "accept-encoding", "content-length": sent.length, ...(brotli && { "content-encoding": "br" }) };
  response.writeHead(status, { ...headers, ...encoding }).end(sent);
}

const server = createServer(async (request, response) => {
  const [url, brotli] = [request.url ?? "/", /\bbr\b/.test(String(request.headers["accept-encoding"]))];
  try {
    if (/^\/assets\/[\w.-]+$/.test(url)) {
      const body = await readFile(FOLDER + url.slice(1)).catch(() => null);
      const headers = { "content-type": TYPES[extname(url)] ?? "application/octet-stream", "cache-control": "public, max-age=31536000, immutable" };
      return await send(response, body ? 200 : 404, body ? headers : {}, body ?? "", brotli);
    }
    const page = await answer(url);
    if (page.location !== undefined) return void response.writeHead(page.status, { location: page.location }).end();
    const headers = { "content-type": "text/html; charset=utf-8", "cache-control": "public, max-age=10" };
    await send(response, page.status, headers, fill(TEMPLATE, page), brotli);
  } catch (error) {
    console.error(error);
    response.writeHead(503, { "retry-after": "5", "content-type": "text/plain" }).end("The site is not available at the moment.");
  }
});

const [port, host] = [Number(process.env["PORT"] ?? 4173), process.env["HOST"] ?? "127.0.0.1"];
server.listen(port, host, () => console.log(`The site is at http://localhost:${port}`));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close(() => process.exit()).closeAllConnections());
