import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { before, test } from "node:test";
import { promisify } from "node:util";
import { KEY, URL_ } from "./setup.js";

const PAGES = {
  readme: "README.md",
  guide: "../../docs/how-to/use-the-typescript-client.md",
};
const execute = promisify(execFile);
const blocksOf = async (page: string) => [...(await readFile(page, "utf8")).matchAll(/```ts\n(.*?)```/gs)].map(([, code = ""]) => code);

before(async () => {
  await mkdir("build/pages", { recursive: true });
  for (const [name, page] of Object.entries(PAGES)) {
    await writeFile(`build/pages/${name}.mts`, (await blocksOf(page)).join("\n").replaceAll("http://localhost:8000", URL_));
  }
  const options = ["--strict", "--target", "ES2022", "--module", "NodeNext", "--types", "node", "--typeRoots", "node_modules/@types"];
  const sources = Object.keys(PAGES).map((name) => `build/pages/${name}.mts`);
  await execute("npx", ["tsc", ...options, ...sources]).catch((error: { stdout: string }) => assert.fail(error.stdout));
});

/** Run what the blocks of a page say, one after the other, where an editor's key is. */
async function run(name: keyof typeof PAGES): Promise<string> {
  const folder = await mkdtemp("build/pages/run-");
  await mkdir(`${folder}/data`);
  await writeFile(`${folder}/data/editor.key`, KEY);
  return (await execute(process.execPath, [`../${name}.mjs`], { cwd: folder })).stdout;
}

test("the example of the README runs, and is short", async () => {
  const [example = ""] = await blocksOf(PAGES.readme);
  assert.ok(example.split("\n").length <= 17, "15 lines are enough");
  assert.match(await run("readme"), /In praise of the slow bridge/);
});

test("the page of the documentation runs", async () => {
  assert.match(await run("guide"), /published true/);
});
