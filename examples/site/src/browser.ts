/** What happens in the browser: the discussion, live counts, and forms. */

import { createClient, Problem } from "@broadsheet/client";

const settings = JSON.parse(document.querySelector("#settings")?.textContent ?? "{}") as { api: string };
const api = createClient({ url: settings.api });

/** Send a form by what `send` does with its values, and tell in its <output> what became of it. */
function handle(selector: string, done: string, send: (form: HTMLFormElement, values: (name: string) => string) => Promise<unknown>): void {
  document.querySelectorAll<HTMLFormElement>(selector).forEach((form) =>
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const [output, values] = [form.querySelector("output"), new FormData(form)];
      const text = await send(form, (name) => String(values.get(name) ?? "")).then(
        () => done,
        (error: unknown) => (error instanceof Problem ? error.detail || error.title : "The server could not be reached."),
      );
      if (output) output.textContent = text;
    }),
  );
}

handle("[data-subscribe]", "Almost done. Please confirm with the link in the mail that was sent to you.", (_, value) =>
  api.subscriptions.request({ email: value("email"), kind: "articles.new" }),
);
handle("[data-confirm]", "Your subscription is confirmed.", (form) => api.subscriptions.confirm(form.dataset["confirm"] ?? ""));
handle("[data-report]", "Thank you. The editors will look at it.", (form, value) =>
  api.articles.report(form.dataset["report"] ?? "", { reason: "other", text: value("text") }),
);

const discussion = document.querySelector("broadsheet-comments");
const count = document.querySelector<HTMLElement>("[data-follow]");
const updated = document.querySelector<HTMLElement>(".updated");
if (discussion && count && updated) {
  discussion.addEventListener("broadsheet-count", () => document.body.classList.add("ready"));
  void import("@broadsheet/comments");
  for await (const event of api.articles.follow(count.dataset["follow"] ?? "")) {
    if (event.type === "counts") count.textContent = `${event.data.comments} comment${event.data.comments === 1 ? "" : "s"}`;
    else if (event.type === "article.updated") updated.hidden = false;
  }
}
