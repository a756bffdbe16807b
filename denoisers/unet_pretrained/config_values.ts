/** The most channels, groups and the like that a configuration may name. */
export const MAX_CHANNELS = 1 << 16;

/**
 * The values of a configuration, taken key by key, as Python reads them; what is wrong with them is kept, and what is left
 * over told.
 */
export class ConfigValues {
  /** In words, each without a full stop. */
  readonly problems: string[] = [];
  /** Problems of keys that matter to some networks alone, by the key. */
  readonly doubts: Map<string, string> = new Map();
  readonly #given: Map<string, unknown>;
  readonly #optional: ReadonlySet<string>;

  /** @param optional Keys that matter to some networks alone. */
  constructor(entries: Iterable<readonly [string, unknown]>, optional: ReadonlySet<string> = new Set()) {
    this.#given = new Map(entries);
    this.#optional = optional;
  }

  /** What a key's value stands for, or the fallback where there is none or one that stands for nothing. */
  read<T>(key: string, fallback: T, meaning: (value: unknown) => T | undefined, expected: string): T {
    if (!this.#given.has(key)) return fallback;
    const value = this.#given.get(key), meant = meaning(value);
    this.#given.delete(key);
    if (meant !== undefined) return meant;
    const problem = `${key} is ${show(value)}, expected ${expected}`;
    if (this.#optional.has(key)) this.doubts.set(key, problem);
    else this.problems.push(problem);
    return fallback;
  }

  /** The value of a key, or what stands for it where there is none or one that does not fit. */
  take<T>(key: string, fallback: T, fits: (value: unknown) => value is T, expected: string): T {
    return this.read(key, fallback, (value) => fits(value) ? value : undefined, expected);
  }

  /** A number, for which false and true may stand. */
  number(key: string, fallback: number, fits: (value: unknown) => value is number, expected: string): number {
    return this.read(key, fallback, (value) => {
      const number = typeof value === "boolean" ? Number(value) : value;
      return fits(number) ? number : undefined;
    }, expected);
  }

  count(key: string, fallback: number, max: number, min = 1): number {
    return this.take(key, fallback, isCount(min, max), `a whole number from ${min} to ${max}`);
  }

  countOrNull(key: string, fallback: number | null = null, min = 1, max = MAX_CHANNELS): number | null {
    const fits = (v: unknown): v is number | null => v === null || isCount(min, max)(v);
    return this.take(key, fallback, fits, `a whole number from ${min} to ${max}, or null`);
  }

  /** Anything, of which what is empty or zero stands for false. */
  flag(key: string, fallback: boolean): boolean {
    return this.read(key, fallback, isTruthy, "true or false");
  }

  /** One of some values, the first of which is what stands for it. */
  choice<const T extends string | null>(key: string, choices: readonly T[]): T {
    const fits = (v: unknown): v is T => (choices as readonly unknown[]).includes(v);
    return this.take(key, choices[0], fits, choices.map(show).join(" or "));
  }

  /** A list of names. Those of diffusers' first versions begin with "UNetRes". */
  names<T extends string>(key: string, choices: readonly T[], fallback: readonly T[]): readonly T[] {
    const plain = (v: unknown) => typeof v === "string" ? v.replace(/^UNetRes/, "") : v;
    const fits = (v: unknown): v is readonly T[] =>
      Array.isArray(v) && v.length <= 16 && v.every((name) => (choices as readonly unknown[]).includes(plain(name)));
    return this.take(key, fallback, fits, `a list of ${choices.join(", ")}`).map((name) => plain(name) as T);
  }

  /** Keys that nobody took, in words. */
  rest(): string[] {
    const unknown = [...this.#given].map(([key, value]) => `${shownKey(key)} (${show(value)})`);
    return unknown.length <= LISTED ? unknown : [...unknown.slice(0, LISTED), `${unknown.length - LISTED} more keys`];
  }
}

/** Unknown keys that a message names at most. */
const LISTED = 8;

/** Whether Python takes a value of a JSON file for true. */
export function isTruthy(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value);
}

export function isCount(min: number, max: number) {
  return (value: unknown): value is number =>
    typeof value === "number" && Number.isInteger(value) && value >= min && value <= max;
}

export function isBetween(min: number, max: number) {
  return (value: unknown): value is number => typeof value === "number" && value >= min && value <= max;
}

/** A key of a file as messages show it. */
function shownKey(key: string): string {
  return /^\w{1,60}$/.test(key) ? key : show(key);
}

/** A value of a file as messages show it: on one line, and not at any length. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
