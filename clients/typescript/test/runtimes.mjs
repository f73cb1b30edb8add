// Run the smoke test in Deno and in workerd, the runtime of Cloudflare Workers.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import test from "node:test";
import { Miniflare } from "miniflare";

const url = process.env.BROADSHEET_URL;

test("Deno", () => {
  const code = `import { smoke } from "./test/smoke.mjs"; console.log(await smoke("${url}"));`;
  assert.equal(execFileSync("npx", ["deno", "eval", "--no-config", "--no-lock", code], { encoding: "utf8" }).trim(), "counts");
});

test("workerd", async () => {
  const paths = ["test/smoke.mjs", ...readdirSync("dist").filter((name) => name.endsWith(".js")).map((name) => `dist/${name}`)];
  const worker = `import { smoke } from "./test/smoke.mjs"; export default { fetch: async () => new Response(await smoke("${url}")) };`;
  const modules = [
    { type: "ESModule", path: "worker.mjs", contents: worker },
    ...paths.map((path) => ({ type: "ESModule", path, contents: readFileSync(path, "utf8") })),
  ];
  const runtime = new Miniflare({ modules, modulesRoot: ".", compatibilityDate: "2026-01-01" });
  const response = await runtime.dispatchFetch("http://localhost/");
  assert.equal(await response.text(), "counts");
  await runtime.dispose();
});
