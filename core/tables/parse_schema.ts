import { shownName } from "../io/columns.ts";
import {
  type LeftOutColumn,
  MAX_LEVELS,
  type TableColumn,
  TableError,
  type TableFile,
  type TableSchema,
  TRANSFORMS,
} from "../rows/column_types.ts";
import { DATE_FORMATS } from "../rows/dates.ts";

/** Most levels that a column may have: a user may name more than are found. */
const MOST_LEVELS = 4096;

/** A value of JSON that is not trusted, and where it is. */
class Value {
  constructor(readonly value: unknown, readonly where: string) {}

  wrong(expected: string): TableError {
    const got = this.value === undefined ? "nothing" : JSON.stringify(this.value)?.slice(0, 60) ?? "nothing";
    return new TableError(`${this.where} is ${got}, expected ${expected}. The description of the table is damaged.`);
  }

  get(key: string): Value {
    const { value } = this;
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.wrong("a record");
    return new Value(
      Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined,
      `${this.where}.${key}`,
    );
  }

  get isThere(): boolean {
    return this.value !== undefined;
  }

  list(): Value[] {
    if (!Array.isArray(this.value)) throw this.wrong("a list");
    return this.value.map((value, k) => new Value(value, `${this.where}[${k}]`));
  }

  text(): string {
    if (typeof this.value !== "string") throw this.wrong("a text");
    return this.value;
  }

  number(min = -Infinity, max = Infinity): number {
    const { value } = this;
    if (typeof value !== "number" || !Number.isFinite(value) || value < min || value > max) {
      throw this.wrong(min === -Infinity ? "a number" : `a number of at least ${min}`);
    }
    return value;
  }

  count(): number {
    if (!Number.isSafeInteger(this.value)) throw this.wrong("a whole number");
    return this.number(0);
  }

  step(): number {
    const step = this.number(0);
    if (step === 0) throw this.wrong("a number above 0");
    return step;
  }

  boolean(): boolean {
    if (typeof this.value !== "boolean") throw this.wrong("true or false");
    return this.value;
  }

  oneOf<const T extends string>(choices: readonly T[]): T {
    const found = choices.find((each) => each === this.value);
    if (found === undefined) throw this.wrong(`one of ${choices.map((each) => JSON.stringify(each)).join(", ")}`);
    return found;
  }
}

/** A property where it is there. */
function optional<K extends string, T>(of: Value, key: K, read: (value: Value) => T): { [k in K]?: T } {
  const value = of.get(key);
  return (value.isThere ? { [key]: read(value) } : {}) as { [k in K]?: T };
}

/** A property that is true where it is there. */
function flag<K extends string>(of: Value, key: K): { [k in K]?: true } {
  const value = of.get(key);
  if (!value.isThere) return {};
  if (value.value !== true) throw value.wrong("true, or nothing");
  return { [key]: true } as { [k in K]?: true };
}

/**
 * A schema of JSON that is not trusted, as of a run's folder.
 *
 * @param source What the JSON is of, for messages.
 * @throws {TableError} That names what is not as a schema has it.
 *
 * @example
 * ```ts
 * import { deepEqual, throws } from "assert";
 * import { inferSchema } from "./infer_types.ts";
 * import { openTable } from "./open_table.ts";
 * import { parseSchema } from "./parse_schema.ts";
 *
 * const path = await Deno.makeTempFile({ suffix: ".json" });
 * await Deno.writeTextFile(path, '[{"x": 1.5, "of": "a"}, {"x": 2, "of": "b"}, {"x": 7, "of": "b"}]');
 * const { schema } = await inferSchema(await openTable(path));
 * deepEqual(parseSchema(JSON.parse(JSON.stringify(schema))), schema);
 * throws(() => parseSchema({ columns: 3 }), /columns is 3, expected a list/);
 * await Deno.remove(path);
 * ```
 */
export function parseSchema(json: unknown, source = "schema"): TableSchema {
  const root = new Value(json, source), columns = root.get("columns").list().map(columnOf);
  if (columns.length === 0) throw root.get("columns").wrong("a list of columns");
  const order = root.get("order").list().map((each) => each.text()), known = new Set(order), seen = new Set<string>();
  if (known.size !== order.length) throw root.get("order").wrong("different names");
  const leftOut = root.get("leftOut").list().map((each) => leftOutOf(each, columns));
  for (const { name } of [...columns, ...leftOut]) {
    if (!known.has(name) || seen.has(name)) {
      throw new TableError(
        `${source} has the column ${shownName(name)} ${seen.has(name) ? "twice" : "which is not in its order"}. ` +
          "The description of the table is damaged.",
      );
    }
    seen.add(name);
  }
  if (seen.size !== order.length) throw root.get("order").wrong("the names of all columns");
  return { columns, leftOut, order, file: fileOf(root.get("file")) };
}

function columnOf(of: Value): TableColumn {
  const name = of.get("name").text(), kind = of.get("kind").oneOf(["number", "date", "class"]);
  if (kind === "class") {
    const listed = of.get("levels"), levels = listed.list().map((each) => each.text());
    const counts = of.get("counts").list().map((each) => each.count());
    if (levels.length === 0 || levels.length > Math.max(MAX_LEVELS, MOST_LEVELS) || counts.length !== levels.length) {
      throw listed.wrong(`from 1 to ${MOST_LEVELS} levels, and a count of each`);
    }
    if (new Set(levels).size !== levels.length) throw listed.wrong("different levels");
    return { name, kind, levels, counts, ...flag(of, "bare") };
  }
  const min = of.get("min").number(), max = of.get("max").number(min);
  const offset = optional(of, "offset", (value) => value.number());
  if (kind === "date") {
    const format = of.get("format");
    if (!DATE_FORMATS.has(format.text())) throw format.wrong("a form of dates, as YYYY-MM-DD");
    return {
      name,
      kind,
      ...flag(of, "months"),
      step: of.get("step").step(),
      ...offset,
      format: format.text(),
      min,
      max,
    };
  }
  return {
    ...{ name, kind },
    ...optional(of, "step", (value) => value.step()),
    ...offset,
    decimals: Math.min(100, of.get("decimals").count()),
    ...flag(of, "padded"),
    ...flag(of, "grouped"),
    ...{ min, max },
    ...optional(of, "transform", (value) => value.oneOf(TRANSFORMS)),
    ...optional(of, "bounds", (value): readonly [number, number] => {
      const [low, high, ...more] = value.list().map((each) => each.number());
      if (low === undefined || high === undefined || more.length > 0 || low >= high) throw value.wrong("two numbers");
      return [low, high];
    }),
    ...flag(of, "quoted"),
  };
}

function leftOutOf(of: Value, columns: readonly TableColumn[]): LeftOutColumn {
  const name = of.get("name").text();
  const reason = of.get("reason").oneOf(["constant", "duplicate", "text", "id", "dropped", "empty"]);
  switch (reason) {
    case "constant":
      return { name, reason, value: of.get("value").text(), ...flag(of, "bare") };
    case "duplicate": {
      const twin = columns.find((each) => each.name === of.get("of").value), listed = of.get("levels");
      if (!twin) throw of.get("of").wrong("the name of a column");
      if (!listed.isThere) return { name, reason, of: twin.name, ...flag(of, "bare") };
      const levels = listed.list().map((each) => each.text());
      if (twin.kind !== "class" || levels.length !== twin.levels.length) throw listed.wrong("a text for each level");
      return { name, reason, of: twin.name, levels, ...flag(of, "bare") };
    }
    default:
      return { name, reason };
  }
}

function fileOf(of: Value): TableFile {
  const delimiter = of.get("delimiter");
  if (delimiter.text().length !== 1 || /["\r\n]/.test(delimiter.text())) throw delimiter.wrong("one character");
  const missing = of.get("missing");
  if (missing.text().length > 100) throw missing.wrong("a short text");
  return {
    kind: of.get("kind").oneOf(["csv", "json", "jsonl", "parquet"]),
    delimiter: delimiter.text(),
    header: of.get("header").boolean(),
    point: of.get("point").oneOf([".", ","]),
    quotes: of.get("quotes").oneOf(["needed", "texts", "all"]),
    quotedNames: of.get("quotedNames").boolean(),
    newline: of.get("newline").oneOf(["\n", "\r\n"]),
    mark: of.get("mark").boolean(),
    ...optional(of, "utf16", (value) => value.oneOf(["le", "be"])),
    gzip: of.get("gzip").boolean(),
    spaced: of.get("spaced").boolean(),
    missing: missing.text(),
  };
}
