import { readFile } from "node:fs/promises";
import { defineConfig, type Plugin, type ViteDevServer } from "vite";

/** `npm run dev`: pages are made by the present source. */
const pages: Plugin = {
  name: "pages",
  apply: "serve",
  configureServer: (vite: ViteDevServer) => () =>
    vite.middlewares.use(async (request, response) => {
      const url = request.originalUrl ?? "/";
      const { answer, fill } = (await vite.ssrLoadModule("/src/app.ts")) as typeof import("./src/app.js");
      const page = await answer(url);
      if (page.location !== undefined) return void response.writeHead(page.status, { location: page.location }).end();
      const template = await vite.transformIndexHtml(url, await readFile("index.html", "utf8"));
      response.writeHead(page.status, { "content-type": "text/html" }).end(fill(template, page));
    }),
};

export default defineConfig({ appType: "custom", plugins: [pages], ssr: { noExternal: true }, build: { target: "es2022" } });
