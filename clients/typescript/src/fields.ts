/** Types of answers that are narrowed by `fields`. */

type Names<T> = Extract<keyof T, string>;
type Item<T> = T extends readonly (infer E)[] ? Item<E> : T;
type Depth = [never, 0, 1];

/** A field of T, or a path below one, such as `section.name`; up to three names, which also ends recursive types. */
export type Field<T, D extends number = 2> = T extends object
  ? {
      [K in Names<T>]: K | (D extends 0 ? never : `${K}.${Field<NonNullable<Item<T[K]>>, Depth[D]>}`);
    }[Names<T>]
  : never;

type First<P extends string> = P extends `${infer K}.${string}` ? K : P;
type Rest<P extends string, K extends string> = P extends `${K}.${infer R}` ? R : never;

/** T with only the fields that P names: `Pick` for names, the same below them for paths. */
export type Only<T, P extends string> = T extends readonly (infer E)[]
  ? Only<E, P>[]
  : T extends object
    ? { [K in keyof T as K extends First<P> ? K : never]: K extends P ? T[K] : Only<T[K], Rest<P, K & string>> }
    : T;

/** What is answered for `fields: F`: all of T where there are none. */
export type Selected<T, F> = F extends readonly (infer P extends string)[] ? Only<T, P> : T;
