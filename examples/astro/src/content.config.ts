import { defineCollection, z } from "astro:content";
import { articles } from "./loader";

const schema = z.object({
  url: z.string().url(),
  title: z.string(),
  dek: z.string().nullable(),
  section: z.object({ name: z.string() }).nullable(),
  published_at: z.coerce.date(),
});

export const collections = { articles: defineCollection({ loader: articles(), schema }) };
