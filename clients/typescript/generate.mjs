// Writes src/schema.ts from openapi.json. Every build does: the file is too long to read, and so it is not committed.

import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const source = new URL("../../openapi.json", import.meta.url);
const target = new URL("src/schema.ts", import.meta.url);
const HEADER = "// Made from openapi.json by `npm run generate`: do not edit.\n\n";

/** Leave out what the client types itself or does not call: problems, headers, webhooks, what is outside of /v1. */
function trim(document) {
  delete document.webhooks;
  for (const path of Object.keys(document.paths)) if (!path.startsWith("/v1/")) delete document.paths[path];
  for (const operations of Object.values(document.paths)) {
    for (const operation of Object.values(operations)) {
      operation.parameters = (operation.parameters ?? []).filter((parameter) => resolve(document, parameter).in !== "header");
      for (const [status, response] of Object.entries(operation.responses)) {
        if (status.startsWith("2")) operation.responses[status] = { ...resolve(document, response), headers: undefined };
        else delete operation.responses[status];
      }
    }
  }
  const { schemas, parameters } = document.components;
  document.components = { schemas, parameters: dropHeaders(parameters) };
  return document;
}

const dropHeaders = (parameters) => Object.fromEntries(Object.entries(parameters).filter(([, parameter]) => parameter.in !== "header"));

/** Drop members that say nothing, and half of the indentation. */
function tidy(text) {
  return text
    .replace(/^ +\w+\??: never;\n/gm, "")
    .replace(/^ +headers: \{\n +\[name: string\]: unknown;\n +\};\n/gm, "")
    .replace(/^ +parameters: \{\n +\};\n/gm, "")
    .replace(/^export type (webhooks|\$defs) = .*\n/gm, "")
    .replace(/^( +)\1/gm, "$1");
}

function resolve(document, node) {
  return node.$ref ? node.$ref.slice(2).split("/").reduce((value, name) => value[name], document) : node;
}

const document = trim(JSON.parse(await readFile(source, "utf8")));
await writeFile(target, HEADER + tidy(astToString(await openapiTS(document, { defaultNonNullable: false, silent: true }))));
