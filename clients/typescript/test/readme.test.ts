import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import test from "node:test";
import { promisify } from "node:util";
import { URL_ } from "./setup.js";

test("the first example of the README runs", async () => {
  const readme = await readFile("README.md", "utf8");
  const [, example = ""] = /```ts\n(.*?)```/s.exec(readme) ?? [];
  assert.ok(example.split("\n").length <= 17, "15 lines are enough");
  await mkdir("build", { recursive: true });
  await writeFile("build/readme.mjs", example.replace("http://localhost:8000", URL_));
  const { stdout } = await promisify(execFile)(process.execPath, ["build/readme.mjs"]);
  assert.match(stdout, /In praise of the slow bridge/);
});
