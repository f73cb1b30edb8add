import { en, type Strings } from "./en.ts";

export type { Strings };

/** Languages beside English, each in a file beside the script that is loaded on demand. */
const LOCALES: Readonly<Record<string, () => Promise<{ default: Strings }>>> = {
  ar: () => import("./ar.ts"),
  de: () => import("./de.ts"),
};
const RIGHT_TO_LEFT = new Set("ar ckb dv fa he ks ps sd ug ur yi".split(" "));

/** The texts of one language, and what follows from it. */
export class Translation {
  readonly language: string;
  readonly direction: "ltr" | "rtl";
  readonly #strings: Strings;
  readonly #plural: Intl.PluralRules;
  readonly #number: Intl.NumberFormat;
  readonly #time: Intl.DateTimeFormat;
  readonly #ago: Intl.RelativeTimeFormat;

  /** @param language a language tag (BCP 47). */
  constructor(language: string, strings: Strings = {}) {
    this.language = language;
    this.direction = RIGHT_TO_LEFT.has(baseOf(language)) ? "rtl" : "ltr";
    this.#strings = { ...en, ...strings };
    this.#plural = new Intl.PluralRules(this.language);
    this.#number = new Intl.NumberFormat(this.language);
    this.#time = new Intl.DateTimeFormat(this.language, { dateStyle: "long", timeStyle: "short" });
    this.#ago = new Intl.RelativeTimeFormat(this.language, { numeric: "auto" });
  }

  /** Return the text of a key with its values, or null if there is none. */
  find(key: string, values: Readonly<Record<string, string | number>> = {}): string | null {
    const { count } = values;
    const text =
      (typeof count === "number"
        ? (this.#strings[`${key}.${this.#plural.select(count)}`] ?? this.#strings[`${key}.other`])
        : null) ?? this.#strings[key];
    if (text === undefined) return null;
    return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      return value === undefined ? whole : typeof value === "number" ? this.#number.format(value) : value;
    });
  }

  /** Return the text of a key with its values. */
  text(key: string, values: Readonly<Record<string, string | number>> = {}): string {
    return this.find(key, values) ?? key;
  }

  formatNumber(value: number): string {
    return this.#number.format(value);
  }

  formatTime(time: Date): string {
    return this.#time.format(time);
  }

  /** Say how long ago something was; a date after a month. */
  formatAge(time: Date): string {
    const minutes = Math.round((time.getTime() - Date.now()) / 60_000);
    const hours = Math.round(minutes / 60);
    const days = Math.round(hours / 24);
    if (minutes > -1) return this.#ago.format(0, "second");
    if (hours > -1) return this.#ago.format(minutes, "minute");
    if (days > -1) return this.#ago.format(hours, "hour");
    return days > -30 ? this.#ago.format(days, "day") : this.#time.format(time);
  }
}

function baseOf(language: string): string {
  return language.toLowerCase().split("-", 1)[0] ?? "";
}

/** Return the texts of a language with own ones in their place; English if there are neither. */
export async function loadTranslation(language: string, own: Strings): Promise<Translation> {
  const load = LOCALES[baseOf(language)];
  const builtIn = load
    ? await load()
        .then((file) => file.default)
        .catch(() => null)
    : null; // its file may not be there
  const isKnown = builtIn !== null || Object.keys(own).length > 0 || baseOf(language) === "en";
  return new Translation(isKnown ? language : "en", { ...builtIn, ...own });
}
