/** Lists: `await` gives the first page, `for await` all items. */

interface AnyPage {
  data: unknown[];
  page: { next: string | null };
}

type Item<P extends AnyPage> = P["data"] extends (infer T)[] ? T : never;

export class Listing<P extends AnyPage> implements PromiseLike<P>, AsyncIterable<Item<P>> {
  readonly #load: (cursor: string | undefined) => Promise<P>;
  readonly #hasMore: (page: P) => boolean;

  constructor(load: (cursor: string | undefined) => Promise<P>, hasMore: (page: P) => boolean = (page) => page.page.next !== null) {
    this.#load = load;
    this.#hasMore = hasMore;
  }

  /** Load the first page: a listing can be awaited. */
  then<A = P, B = never>(
    onPage?: ((page: P) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#load(undefined).then(onPage, onError);
  }

  /** Load the first page, or else handle the error. */
  catch<B>(onError: (error: unknown) => B | PromiseLike<B>): Promise<P | B> {
    return this.then(null, onError);
  }

  /** Load page after page. `page.next` of one is the `cursor` at which a later listing can continue. */
  async *pages(): AsyncGenerator<P, void, undefined> {
    for (let cursor: string | undefined; ; ) {
      const page: P = await this.#load(cursor);
      yield page;
      if (!this.#hasMore(page)) return;
      cursor = page.page.next ?? undefined;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item<P>, void, undefined> {
    for await (const page of this.pages()) yield* page.data as Item<P>[];
  }
}
