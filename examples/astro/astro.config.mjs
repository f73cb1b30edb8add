import node from "@astrojs/node";
import { defineConfig } from "astro/config";

export default defineConfig({
  output: "server", // redirects and what is gone have true statuses; pages that name `prerender` are made at build
  adapter: node({ mode: "standalone" }),
  server: { port: Number(process.env.PORT ?? 4321) },
  devToolbar: { enabled: false },
  security: { checkOrigin: true },
});
