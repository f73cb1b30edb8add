// Bundle the component with the client into one script, and refuse one that is too large.
import { readFile, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";
import { minify } from "terser";

const MAX_GZIP_BYTES = 20_000;
const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const outdir = at("dist");

/** Style sheets become texts without white space. */
const styles = {
  name: "styles",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true, target: "es2022" });
      return { contents: code, loader: "text" };
    });
  },
};

await rm(outdir, { recursive: true, force: true });
await build({
  entryPoints: { "broadsheet-comments": at("src/index.ts") },
  outdir,
  bundle: true,
  minify: true,
  splitting: true, // of the languages
  format: "esm",
  target: "es2022",
  charset: "utf8",
  chunkNames: "broadsheet-comments.[name]",
  plugins: [styles],
});
const script = `${outdir}/broadsheet-comments.js`;
const { code } = await minify(await readFile(script, "utf8"), { module: true, ecma: 2020, compress: { passes: 3 } }); // 2 % less
await writeFile(script, code);
const size = gzipSync(code, { level: 9 }).length;
console.log(`broadsheet-comments.js: ${size.toLocaleString("en")} bytes with gzip`);
if (size > MAX_GZIP_BYTES) {
  console.error(`at most ${MAX_GZIP_BYTES.toLocaleString("en")} are allowed`);
  process.exitCode = 1;
}
