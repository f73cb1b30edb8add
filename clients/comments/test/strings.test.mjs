// Translations have the texts that English has, with the same values.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const PLURAL = /\.(zero|one|two|few|many|other)$/;

async function load(name) {
  const entry = fileURLToPath(new URL(`../src/strings/${name}.ts`, import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "esm", write: false });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}

const placeholders = (text) => new Set(text.match(/\{\w+\}/g) ?? []);

for (const name of ["ar", "de"]) {
  test(`${name} has all texts`, async () => {
    const { en } = await load("en");
    const { default: strings } = await load(name);
    const bases = (all) =>
      new Set(
        Object.keys(all)
          .filter((key) => !key.startsWith("problem."))
          .map((key) => key.replace(PLURAL, "")),
      );
    assert.deepEqual([...bases(strings)].sort(), [...bases(en)].sort());
    for (const [key, text] of Object.entries(strings)) {
      const english = en[key] ?? en[key.replace(PLURAL, ".other")];
      for (const value of placeholders(text)) assert.ok(placeholders(english ?? "").has(value), `${key}: ${value}`);
    }
    const categories = new Intl.PluralRules(name).resolvedOptions().pluralCategories;
    const counted = Object.keys(strings)
      .filter((key) => key.endsWith(".one"))
      .map((key) => key.replace(PLURAL, ""));
    for (const base of counted) {
      for (const category of categories.filter((one) => one !== "zero")) {
        assert.ok(`${base}.${category}` in strings, `${base}.${category}`);
      }
    }
  });
}
