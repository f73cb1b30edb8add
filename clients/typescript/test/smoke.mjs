// What the client does in any runtime: a read, a write and what was written, a problem, a stream.

import { createClient, NotFound } from "../dist/index.js";

const SLUG = "in-praise-of-the-slow-bridge";

export async function smoke(url) {
  const api = createClient({ url });
  const { id } = await api.comments.post(SLUG, { text: `Smoke (${crypto.randomUUID()})`, author: { name: "Ida" } });
  const { data } = await api.comments.list(SLUG, { fields: ["id"] });
  if (!data.some((comment) => comment.id === id)) throw new Error("the comment is not in the list");
  const error = await api.articles.get("nothing").catch((thrown) => thrown);
  if (!(error instanceof NotFound)) throw error;
  for await (const event of api.articles.follow(SLUG)) return event.type;
  throw new Error("the stream ended");
}
