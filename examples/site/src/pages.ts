/** What the pages of the site look like, as HTML. */

import type { Article, Client, Comment, FoundArticle, Front, ListedArticle, Schemas, Site, ThreadedComment } from "@broadsheet/client";
import { html, json, trusted, type Html } from "./html.js";

export interface Page {
  status: number;
  title: string;
  head?: Html;
  body: Html;
}

type Teaser = Pick<ListedArticle, "url" | "title" | "dek" | "excerpt" | "image" | "section" | "authors" | "published_at" | "discussion">;
type FullArticle = Awaited<ReturnType<Client["articles"]["get"]>>;
type Picture = NonNullable<Article["image"]>;
type Place = { name: string; articles: number; description?: string; bio_html?: string; image?: Picture | null };

const NO_INDEX = html`<meta name="robots" content="noindex">`;
const count = (comments: number) => (comments === 1 ? "1 comment" : `${comments} comments`);
export class Pages {
  constructor(private readonly site: Site) {}

  /** Put a page into the frame that all have in common. */
  frame({ body }: Page): Html {
    const { site } = this;
    const menu = (name: string) => site.menus.find((each) => each.name === name)?.items ?? [];
    return html`
      <a class="skip" href="#main">Skip to the content</a>
      <header class="masthead">
        <p class="strap"><span>${this.day(new Date())}</span><span>${site.tagline}</span></p>
        <p class="nameplate"><a href="/">${site.name}</a></p>
        <nav aria-label="Sections">
          <ul>${menu("main").map((link) => html`<li><a href="${this.path(link.url)}">${link.title}</a></li>`)}</ul>
          <form action="/search" role="search"><input type="search" name="q" aria-label="Search" placeholder="Search" required></form>
        </nav>
      </header>
      <main id="main">${body}</main>
      <footer class="imprint">
        <form data-subscribe="articles.new">
          <label for="email">New articles by e-mail</label>
          <input id="email" type="email" name="email" autocomplete="email" placeholder="you@example.org" required>
          <button>Subscribe</button><output></output>
        </form>
        <ul>${menu("footer").map((link) => html`<li><a href="${this.path(link.url)}">${link.title}</a></li>`)}
          ${site.feeds.slice(0, 1).map((feed) => html`<li><a href="${feed.url}">Feed</a></li>`)}</ul>
        <p>${site.description}</p>
      </footer>`;
  }

  /** The head of a page; an article brings most of it along. */
  head({ title, head }: Page): Html {
    const { site } = this;
    return html`<title>${title === site.name ? title : `${title} · ${site.name}`}</title>
      ${head}${site.icon && html`<link rel="icon" href="${site.icon.url}">`}
      ${site.feeds.map((feed) => html`<link rel="alternate" type="${feed.type}" title="${site.name}" href="${feed.url}">`)}
      <script type="application/json" id="settings">${json({ api: site.api_url })}</script>`;
  }

  front(front: Front): Page {
    const blocks = front.blocks.map(
      (block, at) => html`
        <section class="block ${at === 0 ? "lead" : block.kind}">
          <h2>${block.title}</h2>
          <div class="teasers">${block.articles.map((article, nth) => this.teaser(article, at === 0 && nth === 0))}</div>
        </section>`,
    );
    return { status: 200, title: front.title, head: this.about(this.site.description, front.url), body: html`<h1 class="hidden">${front.title}</h1>${blocks}` };
  }

  /** A section, tag, author or series with its articles. */
  place(place: Place & { url: string }, articles: readonly Teaser[], next: string | null): Page {
    const body = html`
      <header class="place">
        ${place.image && this.picture(place.image, "160px", true)}
        <h1>${place.name}</h1>
        <div class="dek">${place.bio_html ? trusted(place.bio_html) : place.description && html`<p>${place.description}</p>`}</div>
      </header>
      <div class="teasers list">${articles.map((article, nth) => this.teaser(article, nth === 0))}</div>
      ${next && html`<p class="more"><a href="?cursor=${next}">Older articles</a></p>`}`;
    const description = place.description || `${place.articles} articles: ${place.name}`;
    return { status: 200, title: place.name, head: this.about(description, place.url), body };
  }

  article(article: FullArticle & Partial<Article>): Page {
    const { discussion, neighbours, notices, corrections } = article;
    const related = article.related ?? [];
    const notice = (when: "before" | "after") =>
      notices.filter(({ placement }) => placement === when || placement === "both")
        .map((each) => html`<aside class="notice" aria-label="Notice">${trusted(each.html)}</aside>`);
    const body = html`
      <article>
        <header>
          <p class="kicker">${(article.breadcrumbs ?? []).map((step) => html`<a href="${this.path(step.url)}">${step.name}</a> `)}</p>
          <h1>${article.title}</h1>
          ${article.dek && html`<p class="dek">${article.dek}</p>`}
          <p class="byline">${this.byline(article)} · ${article.reading_minutes} min
            ${discussion && html` · <a href="#comments" data-follow="${article.slug}">${count(discussion.comments)}</a>`}</p>
        </header>
        ${notice("before")}
        ${article.image && html`<figure class="lead">${this.picture(article.image, "(min-width: 56rem) 54rem, 100vw", true)}
          <figcaption>${article.image.caption} <small>${article.image.credit}</small></figcaption></figure>`}
        <p class="updated" role="status" hidden>This article was updated. <a href="">Show the new version</a></p>
        <div id="text" lang="${article.language}">${trusted(article.body?.html)}</div>
        ${corrections.map((each) => html`<aside class="correction"><p><strong>${each.kind.replace("_", " ")}, ${this.day(each.at)}.</strong> ${each.text}</p></aside>`)}
        <p class="tags">${article.tags.map((tag) => html`<a href="${this.path(tag.url)}" rel="tag">${tag.name}</a> `)}</p>
        <details class="report"><summary>Report</summary><form data-report="${article.slug}">
          <label>What is wrong? <input name="text" required maxlength="1000"></label><button>Send</button><output></output></form></details>
        ${notice("after")}
      </article>
      ${article.comments && this.discussion(article)}
      ${neighbours && html`<nav class="neighbours" aria-label="Neighbouring articles">
        ${neighbours.previous && html`<a rel="prev" href="${this.path(neighbours.previous.url)}"><small>Before</small> ${neighbours.previous.title}</a>`}
        ${neighbours.next && html`<a rel="next" href="${this.path(neighbours.next.url)}"><small>Next</small> ${neighbours.next.title}</a>`}</nav>`}
      ${related.length > 0 && html`<section class="block"><h2>Related</h2>
        <div class="teasers">${related.slice(0, 4).map((each) => this.teaser(each.article))}</div></section>`}`;
    return { status: 200, title: article.head?.title ?? article.title, head: article.head ? this.metadata(article.head, article.jsonld) : NO_INDEX, body };
  }

  /** The discussion: the component takes the place of its first comments, which are there without a script too. */
  private discussion({ slug, comments }: FullArticle & Partial<Article>): Html {
    const show = (comment: Comment | ThreadedComment): Html => html`
      <article><p><b>${comment.author?.name}</b> <time datetime="${comment.created_at}">${this.day(comment.created_at)}</time></p>
        ${trusted(comment.html)}${"first_replies" in comment && comment.first_replies?.data.map(show)}</article>`;
    const { api_url, url, addresses } = this.site;
    return html`<section id="comments"><broadsheet-comments api="${api_url}" article="${slug}" text="#text" confirm-url="${url}${addresses.confirm}">
      ${comments?.data.map(show)}</broadsheet-comments></section>`;
  }

  search(q: string, found: readonly FoundArticle[]): Page {
    const results = found.map((each) => html`<article class="teaser"><h3><a href="${this.path(each.url)}">${trusted(each.highlight.title)}</a></h3>
      <p>${trusted(each.highlight.text)}</p><p class="byline">${this.byline(each)}</p></article>`);
    const body = html`<h1>Search</h1><form class="search" action="/search"><input type="search" name="q" value="${q}" aria-label="Search for">
      <button>Search</button></form><div class="teasers list">${results}</div>${q && !found.length && html`<p>Nothing was found.</p>`}`;
    return { status: 200, title: q ? `Search: ${q}` : "Search", head: NO_INDEX, body };
  }

  confirm(token: string): Page {
    const body = html`<h1>Confirm your subscription</h1><form data-confirm="${token}"><button>Confirm</button><output></output></form>`;
    return { status: 200, title: "Confirm your subscription", head: NO_INDEX, body };
  }

  message(status: number, title: string, text: string): Page {
    return { status, title, head: NO_INDEX, body: html`<h1>${title}</h1><p class="dek">${text}</p>` };
  }

  private teaser(article: Teaser, first = false): Html {
    return html`<article class="teaser${first && " first"}">
      ${article.image && html`<a href="${this.path(article.url)}" tabindex="-1" aria-hidden="true">${this.picture(article.image, first ? "(min-width: 56rem) 40rem, 100vw" : "20rem", first)}</a>`}
      ${article.section && html`<p class="kicker"><a href="${this.path(article.section.url)}">${article.section.name}</a></p>`}
      <h3><a href="${this.path(article.url)}">${article.title}</a></h3>
      <p>${article.dek ?? article.excerpt}</p>
      <p class="byline">${this.byline(article)}${article.discussion?.comments ? ` · ${count(article.discussion.comments)}` : ""}</p></article>`;
  }

  private byline({ authors, published_at }: Pick<Teaser, "authors" | "published_at">): Html {
    const names = authors.map((author, at) => html`${at > 0 && ", "}<a href="${this.path(author.url)}" rel="author">${author.name}</a>`);
    return html`${names}${names.length > 0 && " · "}${published_at && html`<time datetime="${published_at}">${this.day(published_at)}</time>`}`;
  }

  private picture(image: Picture, sizes: string, first = false): Html {
    const set = image.renditions.map((each) => `${each.url} ${each.width}w`).concat(`${image.url} ${image.width}w`);
    return html`<img src="${image.url}" srcset="${set.join(", ")}" sizes="${sizes}" width="${image.width}" height="${image.height}" alt="${image.alt}"
      ${first ? html`fetchpriority="high"` : html`loading="lazy"`} decoding="async">`;
  }

  private about(description: string, url: string): Html {
    return html`<meta name="description" content="${description}"><link rel="canonical" href="${url}">`;
  }

  private metadata(head: Schemas["HeadOut"], linked: unknown): Html {
    const meta = (key: "property" | "name", values: object) =>
      Object.entries(values).flatMap(([name, value]) => [value].flat().map((each) => html`<meta ${key}="${name}" content="${each}">`));
    return html`${this.about(head.description ?? "", head.canonical_url)}${head.robots && html`<meta name="robots" content="${head.robots}">`}
      ${meta("property", head.open_graph)}${meta("name", head.twitter)}
      ${linked !== undefined && html`<script type="application/ld+json">${json(linked)}</script>`}`;
  }

  private day(moment: string | Date): string {
    return new Intl.DateTimeFormat(this.site.languages[0], { dateStyle: "long", timeZone: this.site.time_zone }).format(new Date(moment));
  }

  /** The path of an address of the site, so that the site works at any host; other addresses stay. */
  path(url: string): string {
    return url.startsWith(`${this.site.url}/`) ? url.slice(this.site.url.length) : url;
  }
}
