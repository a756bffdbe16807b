/** The most channels, groups and the like that a configuration may name. */
export const MAX_CHANNELS = 1 << 16;

/** The values of a configuration, taken key by key; what is wrong with them is kept, and what is left over told. */
export class ConfigValues {
  /** In words, each without a full stop. */
  readonly problems: string[] = [];
  readonly #given: Map<string, unknown>;

  constructor(entries: Iterable<readonly [string, unknown]>) {
    this.#given = new Map(entries);
  }

  /** The value of a key, or what stands for it where there is none or one that does not fit. */
  take<T>(key: string, fallback: T, fits: (value: unknown) => value is T, expected: string): T {
    const value = this.#given.has(key) ? this.#given.get(key) : fallback;
    this.#given.delete(key);
    if (fits(value)) return value;
    this.problems.push(`${key} is ${show(value)}, expected ${expected}`);
    return fallback;
  }

  count(key: string, fallback: number, max: number, min = 1): number {
    return this.take(key, fallback, isCount(min, max), `a whole number from ${min} to ${max}`);
  }

  countOrNull(key: string, fallback: number | null = null, min = 1, max = MAX_CHANNELS): number | null {
    const fits = (v: unknown): v is number | null => v === null || isCount(min, max)(v);
    return this.take(key, fallback, fits, `a whole number from ${min} to ${max}, or null`);
  }

  flag(key: string, fallback: boolean): boolean {
    return this.take(key, fallback, (v): v is boolean => typeof v === "boolean", "true or false");
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

  /** Keys that nobody took are a problem. */
  refuseTheRest(): void {
    const unknown = [...this.#given].map(([key, value]) => `${shownKey(key)} is ${show(value)}, which is not known`);
    this.problems.push(...unknown.slice(0, LISTED));
    if (unknown.length > LISTED) this.problems.push(`${unknown.length - LISTED} more keys are not known`);
  }
}

/** Unknown keys that a message names at most. */
const LISTED = 8;

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
