// Elements, dialogs and messages. What people typed becomes text, never markup.

/** Make an element. Values are attributes, except listeners (`onclick`) and `value`; children are elements or text. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  element.append(...children.flat(2).filter((child) => child || child === 0));
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value ?? "";
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  return element;
}

/** A field with its label; `attributes.tag` is `textarea` or `select` where it is not an input. */
export function field(label, { tag = "input", hint, ...attributes }, ...children) {
  const control = h(tag, attributes, ...children);
  if (attributes.value !== undefined) control.value = attributes.value ?? ""; // options are there only now
  return h("label", { class: "field" }, h("span", {}, label), control, hint && h("small", {}, hint));
}

export const button = (label, onclick, attributes = {}) =>
  h("button", { type: "button", onclick: (event) => attempt(() => onclick(event), event.currentTarget), ...attributes }, label);

/** A form that calls `onsubmit` with its values and shows what went wrong. */
export const form = (onsubmit, ...children) =>
  h(
    "form",
    {
      onsubmit(event) {
        event.preventDefault();
        attempt(() => onsubmit(Object.fromEntries(new FormData(event.target))), event.submitter);
      },
    },
    ...children,
  );

/** Run an action, once at a time for each button, and say what went wrong. */
export async function attempt(action, control) {
  if (control?.getAttribute("aria-busy")) return;
  control?.setAttribute("aria-busy", "true");
  try {
    await action();
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, true);
    if (!("status" in error) && error.name !== "AbortError") console.error(error);
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
 * Ask in a dialog; resolves to `{choice, ...values of its fields}`, or null if it was left. `choices` maps values of
 * buttons to their labels; the first one is what Enter does, and the keys 1 to 9 choose the others.
 */
export function ask(title, content, choices) {
  const buttons = Object.entries(choices).map(([value, label]) => h("button", { value }, label));
  const dialog = h(
    "dialog",
    { "aria-labelledby": "dialog-title" },
    h(
      "form",
      {},
      h("h2", { id: "dialog-title" }, title),
      content,
      h("p", { class: "actions" }, buttons, h("button", { value: "", formnovalidate: true }, "Cancel")),
    ),
  );
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
      event.preventDefault(); // closed here, so that the answer comes before the next key
      const { value: choice } = event.submitter;
      dialog.close();
      resolve(choice ? { ...Object.fromEntries(new FormData(event.target)), choice } : null);
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(null); // unless it was answered
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
  element.show = (content) => {
    element.srcdoc = policy.createHTML(
      `<!doctype html><base target="_blank"><link rel="stylesheet" href="desk.css"><body class="preview">${content}`,
    );
  };
  let marked = [];
  element.mark = (quotes) => {
    const view = element.contentWindow;
    const found = [...new Set((marked = quotes))].map((quote) => findWords(element.contentDocument, quote)).filter(Boolean);
    view?.CSS.highlights?.set("note", new view.Highlight(...found));
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
  for (let node, walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); (node = walker.nextNode()); ) nodes.push(node);
  const start = nodes.map(({ data }) => data).join("").indexOf(words);
  if (start < 0) return null;
  const range = document.createRange();
  for (let at = 0, node; (node = nodes.shift()); at += node.length) {
    if (at <= start && start <= at + node.length) range.setStart(node, start - at);
    const end = start + words.length;
    if (at < end && end <= at + node.length) range.setEnd(node, end - at);
  }
  return range;
}

const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
export const time = (at) => h("time", { datetime: at }, DATE.format(new Date(at)));
