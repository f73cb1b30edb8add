import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import test from "node:test";
import { promisify } from "node:util";
import { KEY, URL_ } from "./setup.js";

/** Compile what the blocks of a page say, one after the other, and run it where an editor's key is. */
async function run(page: string, name: string): Promise<string> {
  const blocks = [...page.matchAll(/```ts\n(.*?)```/gs)].map(([, code = ""]) => code);
  await mkdir("build/pages", { recursive: true });
  const source = `build/pages/${name}.mts`;
  await writeFile(source, blocks.join("\n").replaceAll("http://localhost:8000", URL_));
  const options = ["--strict", "--target", "ES2022", "--module", "NodeNext", "--types", "node", "--typeRoots", "node_modules/@types"];
  await promisify(execFile)("npx", ["tsc", ...options, source]).catch((error: { stdout: string }) => assert.fail(error.stdout));
  const folder = await mkdtemp("build/pages/run-");
  await mkdir(`${folder}/data`);
  await writeFile(`${folder}/data/editor.key`, KEY);
  const { stdout } = await promisify(execFile)(process.execPath, [`../${name}.mjs`], { cwd: folder });
  return stdout;
}

test("the example of the README compiles and runs, and is short", async () => {
  const readme = await readFile("README.md", "utf8");
  const [, example = ""] = /```ts\n(.*?)```/s.exec(readme) ?? [];
  assert.ok(example.split("\n").length <= 17, "15 lines are enough");
  assert.match(await run(readme, "readme"), /In praise of the slow bridge/);
});

test("the page of the documentation compiles and runs", async () => {
  assert.match(await run(await readFile("../../docs/how-to/use-the-typescript-client.md", "utf8"), "how-to"), /published true/);
});
