// Markup that wants to run is inert in the component: posted through the API, and as if the API let it through.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { PYTHON, ROOT, startApi, startSite } from "./server.mjs";

const NUMBER = Number(process.env.VECTORS ?? 300);
const SEED = Number(process.env.SEED ?? 1);
const ALLOWED = "a abbr b blockquote br cite code del em hr i ins li mark ol p pre q s small strong sub sup u ul".split(" ");

let site, api, browser;

before(async () => {
  site = await startSite();
  api = await startApi(site.url);
  site.use(api.url);
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--disable-gpu", "--no-sandbox"],
  });
});

after(async () => {
  await browser?.close();
  await api?.stop();
  site?.stop();
});

function makeVectors() {
  const program = `import json; from tests.flows.vectors import make_vectors; print(json.dumps(list(make_vectors(${NUMBER}, ${SEED}))))`;
  return JSON.parse(execFileSync(PYTHON, ["-c", program], { cwd: ROOT, encoding: "utf8" }));
}

/** Return what is shown of comments and could act: elements, attributes and addresses that are not allowed. */
function findActive(page) {
  return page.evaluate((allowed) => {
    const bodies = document.querySelector("broadsheet-comments").shadowRoot.querySelectorAll(".body");
    const active = [];
    for (const element of [...bodies].flatMap((body) => [...body.querySelectorAll("*")])) {
      if (!allowed.includes(element.localName)) active.push(element.outerHTML);
      for (const { name, value } of element.attributes) {
        const isSafe = name === "href" ? /^(https?|mailto):/.test(element.href) : ["rel", "title", "start"].includes(name);
        if (!isSafe) active.push(`${name}=${value}`);
      }
    }
    return { shown: bodies.length, active };
  }, ALLOWED);
}

async function openAll(article, prepare) {
  const page = await browser.newPage();
  await prepare?.(page);
  await page.goto(`${site.url}/?${new URLSearchParams({ article, open: "", sort: "oldest" })}`);
  await page.getByRole("article").first().waitFor();
  const more = page.getByRole("button", { name: "View more comments" });
  while (await more.isVisible()) {
    const shown = await page.getByRole("article").count();
    await more.click();
    await page.getByRole("article").nth(shown).waitFor();
  }
  return page;
}

test("vectors posted through the API are inert", async () => {
  let posted = 0;
  for (const vector of makeVectors()) {
    const sent = api.send("POST", "/v1/articles/four-metres-of-quay/comments", { text: vector.replaceAll("\0", "") });
    await sent.then(
      () => (posted += 1),
      (error) => assert.match(String(error), /: 4(09|22) /),
    ); // it shows nothing, or is a repetition
  }
  const page = await openAll("four-metres-of-quay");
  const { shown, active } = await findActive(page);
  assert.deepEqual(active, []);
  assert.ok(posted > NUMBER / 2 && shown >= posted, `${posted} posted, ${shown} shown`);
  assert.equal(site.hits(), 0);
  await page.close();
});

test("vectors in the API's answers are inert", async () => {
  const vectors = makeVectors();
  let next = 0;
  const page = await openAll("four-metres-of-quay", (opened) =>
    opened.route(/\/comments\?/, async (route) => {
      const response = await route.fetch();
      const answer = await response.json();
      for (const comment of answer.data) comment.html = vectors[next++ % vectors.length];
      await route.fulfill({ response, json: answer });
    }),
  );
  await page.locator("broadsheet-comments article").last().scrollIntoViewIfNeeded();
  const { active } = await findActive(page);
  assert.deepEqual(active, []);
  assert.ok(next > NUMBER / 2, `${next} were shown`);
  assert.equal(site.hits(), 0);
  const raw = await browser.newPage();
  await raw.goto(`${site.url}/?article=four-metres-of-quay&open=`);
  const hit = raw.waitForRequest(/\/hit\//);
  await raw.evaluate((all) => {
    const home = document.body.appendChild(document.createElement("div"));
    for (const vector of all) {
      const place = document.createElement("div");
      home.append(place);
      place.innerHTML = vector;
    }
  }, vectors);
  await hit; // the vectors are alive
  await raw.close();
  await page.close();
});
