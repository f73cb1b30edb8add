// Elements, forms, lists, dialogs and messages. What people typed becomes text, never markup.
import { query } from "./api.js";

/**
 * Make an element: `h("p.words", text)`, `h("a", { href }, text)`. Attributes that start with `on` are listeners.
 * Children are elements, text, or arrays of them; what is null, undefined or false is left out.
 */
export function h(name, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  const attributes = children[0]?.constructor === Object ? children.shift() : {};
  element.append(...children.flat(3).filter((child) => child || child === 0));
  if (classes.length) element.className = classes.join(" ");
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute.startsWith("on")) element.addEventListener(attribute.slice(2), value);
    else if (attribute === "value") element.value = value ?? "";
    else if (typeof value === "boolean") element.toggleAttribute(attribute, value);
    else if (value !== null && value !== undefined) element.setAttribute(attribute, value);
  }
  return element;
}

/** A field with its label. `options` are the texts of a selection by their values. */
export function field(label, { tag, hint, ...attributes }, options) {
  const choices = Object.entries(options ?? {}).map(([value, text]) => h("option", { value }, text));
  const control = h(tag ?? (options ? "select" : "input"), attributes, choices);
  if ("value" in attributes) control.value = attributes.value ?? ""; // again, for `type` changes what an input takes
  return h("label.field", h("span", label), control, hint && h("small", hint));
}

/** The values of a form's fields that are not empty. */
const valuesOf = (form) => Object.fromEntries([...new FormData(form)].filter(([, value]) => value));

/** A form that calls `onsubmit` with its values. */
export function form(onsubmit, ...children) {
  const send = (event) => {
    event.preventDefault();
    attempt(() => onsubmit(valuesOf(event.target), event.target), event.submitter);
  };
  return h("form", { onsubmit: send }, children);
}

export const button = (label, onclick, attributes = {}) =>
  h("button", { type: "button", onclick: (event) => attempt(() => onclick(event), event.currentTarget), ...attributes }, label);

/**
 * A button for an action, which asks for values first if `fields` makes some, and says when it is `done`. Where the
 * action draws the page anew, the focus goes to its button again, or else to the title.
 */
export const action = (label, run, { title, go = label.replace("…", ""), fields, done = "Done." } = {}) =>
  button(label, async () => {
    if (!fields) await run({});
    else if (!(await ask(title ?? go, fields(), { go }, async (values) => (await run(values), true)))) return;
    if (done) say(done);
    if (document.activeElement !== document.body) return;
    const same = [...document.querySelectorAll("main button")].find(({ textContent }) => textContent === label);
    (same ?? document.querySelector("h1"))?.focus();
  });

export const actions = (...children) => h("p.actions", children);
export const section = (title, ...children) => h("section", { "aria-label": title }, h("h2", title), children);
export const tag = (name) => h("span", { class: `tag ${name}` }, name.replaceAll("_", " "));

/** Run something, once at a time for each button, and say what went wrong. */
export async function attempt(run, control, tell = (text) => say(text, true)) {
  if (control?.getAttribute("aria-busy")) return;
  control?.setAttribute("aria-busy", "true");
  try {
    await run();
  } catch (error) {
    if (error.name !== "AbortError") tell(error.message);
    if (error.name !== "AbortError" && !("status" in error)) console.error(error);
  } finally {
    control?.removeAttribute("aria-busy");
  }
}

/** Tell something in passing; errors stay until the next message. */
export function say(text, isError = false) {
  const status = document.getElementById("status");
  status.setAttribute("role", isError ? "alert" : "status");
  status.className = isError ? "error" : "";
  status.textContent = text;
  clearTimeout(say.timer);
  if (!isError) say.timer = setTimeout(() => (status.textContent = ""), 6_000);
}

/**
 * A list of the API, page by page: a table if it has `columns`. `draw` returns the cells or contents of a row,
 * `parameters` what to ask for each time; `load` reads it anew.
 */
export async function list(path, draw, { read, parameters = () => ({}), columns, empty = "Nothing here." }) {
  const rows = h(columns ? "tbody" : "ol.rows");
  const more = button("Show more", () => load(more.cursor), { hidden: true });
  const row = (cells) => (columns ? h("tr", cells.map((cell) => h("td", cell))) : h("li", cells));
  let turn = 0;
  async function load(cursor) {
    const mine = ++turn;
    const { data, page } = await read(path + query({ limit: 30, ...parameters(), cursor }));
    if (mine !== turn) return; // asked for again in the meantime
    if (!cursor) rows.replaceChildren();
    rows.append(...data.map((item) => row(draw(item))));
    if (!rows.childElementCount) rows.append(row([empty]));
    more.cursor = page.next;
    more.hidden = !more.cursor;
  }
  await load();
  const head = columns && h("thead", h("tr", columns.map((name) => h("th", { scope: "col" }, name))));
  return { load: () => load(), elements: [columns ? h("table", head, rows) : rows, more] };
}

/**
 * Ask in a dialog; resolves to null if it was left, and to what `run` makes of `{choice, ...values of its fields}`.
 * It stays open while that fails, so that nothing typed is lost. `choices` maps values of buttons to their labels;
 * the first one is what Enter does, and the keys 1 to 9 choose the others.
 */
export function ask(title, content, choices = {}, run = (answer) => answer) {
  const buttons = Object.entries(choices).map(([value, label]) => h("button", { value }, label));
  const leave = h("button", { value: "", formnovalidate: true }, buttons.length ? "Cancel" : "Close");
  const wrong = h("p.wrong", { role: "alert" });
  const dialog = h("dialog", { "aria-label": title }, h("form", h("h2", title), content, wrong, actions(buttons, leave)));
  dialog.addEventListener("keydown", (event) => {
    const isFree = event.target.matches("button") || !event.target.value;
    if (!isFree || !/^[1-9]$/.test(event.key) || !buttons[event.key]) return;
    event.preventDefault();
    buttons[event.key].click();
  });
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("submit", (event) => {
      event.preventDefault();
      const { value: choice } = event.submitter;
      const answer = async () => {
        const result = choice ? await run({ ...valuesOf(event.target), choice }) : null;
        dialog.close();
        dialog.remove(); // at once, so that it does not keep the focus
        resolve(result);
      };
      attempt(answer, dialog, (text) => (wrong.textContent = text));
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(null); // left by Escape
    });
  });
}

const policy = window.trustedTypes?.createPolicy("desk", { createHTML: (html) => html }) ?? { createHTML: (html) => html };

/**
 * Show HTML that the server rendered and sanitised, in a frame that runs no scripts and opens nothing. Without
 * `allow-scripts` the same origin only lets this page measure it and read the selection in it.
 */
export function frame(title, html) {
  const element = h("iframe", { title, sandbox: "allow-same-origin" });
  const head = '<!doctype html><base target="_blank"><link rel="stylesheet" href="desk.css"><body class="preview">';
  let marked = [];
  element.show = (content) => (element.srcdoc = policy.createHTML(head + content));
  element.mark = (quotes) => {
    marked = quotes;
    const { contentWindow: view, contentDocument: text } = element;
    if (!view?.CSS.highlights) return; // not shown yet, or a browser without highlights
    const places = [...new Set(quotes)].map((quote) => findWords(text, quote)).filter(Boolean);
    view.CSS.highlights.set("note", new view.Highlight(...places));
  };
  element.addEventListener("load", () => {
    element.mark(marked);
    element.height = 80;
    element.height = element.contentDocument.documentElement.scrollHeight + 8;
  });
  element.show(html);
  return element;
}

/** Find words in a document, as a range. */
function findWords(document, words) {
  const nodes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) nodes.push(walker.currentNode);
  const start = nodes.map(({ data }) => data).join("").indexOf(words);
  if (start < 0) return null;
  const range = document.createRange();
  for (let at = 0, node; (node = nodes.shift()); at += node.length) {
    const end = start + words.length;
    if (at <= start && start <= at + node.length) range.setStart(node, start - at);
    if (at < end && end <= at + node.length) range.setEnd(node, end - at);
  }
  return range;
}

const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
export const time = (at) => h("time", { datetime: at }, DATE.format(new Date(at)));

/** A field for a time of this place, and its value as the API takes it. */
export function timeField(label, at, attributes) {
  const local = at && new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  return field(label, { type: "datetime-local", step: 1, value: local, ...attributes });
}
export const toTime = (local) => (local ? new Date(local).toISOString() : null);
