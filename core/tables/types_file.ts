import { nearest } from "../errors/nearest.ts";
import { type JsonBounds, readBoundedJson } from "../io/bounded_json.ts";
import { shownName } from "../io/columns.ts";
import { TableError, type Transform, TRANSFORMS } from "../rows/column_types.ts";
import { DATE_FORMATS } from "../rows/dates.ts";

/** What a user says of a column. */
export type ColumnRequest =
  | {
    readonly kind: "number";
    /** Its values are multiples of it; 0 of a continuous one. */
    readonly step?: number;
    readonly transform?: Transform;
    readonly bounds?: readonly [number, number];
  }
  | { readonly kind: "date"; /** One of `dates.ts`. */ readonly format?: string }
  | { readonly kind: "class"; /** In this order; more may be met. */ readonly levels?: readonly string[] }
  /** It is not modelled. */
  | { readonly kind: "drop" }
  /** It names the rows. */
  | { readonly kind: "id" };

/** What a user says of columns, by their names. */
export type TypeRequests = ReadonlyMap<string, ColumnRequest>;

const KINDS = ["number", "date", "class", "drop", "id"] as const;

/** What may be said of each kind besides. */
const KEYS: Readonly<Record<typeof KINDS[number], readonly string[]>> = {
  number: ["step", "transform", "bounds"],
  date: ["format"],
  class: ["levels"],
  drop: [],
  id: [],
};

const BOUNDS: JsonBounds = { bytes: 4 << 20, depth: 4, values: 200_000 };

/** Reads a file for {@linkcode parseTypes}. @throws {UserError} */
export async function readTypes(path: string): Promise<TypeRequests> {
  return parseTypes(await readBoundedJson(path, BOUNDS), path);
}

/**
 * What a user says of columns in JSON.
 *
 * @param source What the JSON is of, for messages.
 * @throws {TableError} For what is none of it.
 *
 * @example
 * ```ts
 * import { deepEqual, throws } from "assert";
 * import { parseTypes } from "./types_file.ts";
 *
 * const types = parseTypes({ species: "class", mass: { kind: "number", step: 25, transform: "log" }, note: "drop" });
 * deepEqual(types.get("mass"), { kind: "number", step: 25, transform: "log" });
 * throws(() => parseTypes({ mass: "nunber" }), /mass is "nunber", expected .* Did you mean number\?/);
 * ```
 */
export function parseTypes(json: unknown, source = "types"): TypeRequests {
  if (!isRecord(json)) {
    throw new TableError(
      `${source} is ${shown(json)}, expected a record of columns, as {"species": "class", "mass": {"kind": "number"}}.`,
    );
  }
  return new Map(Object.entries(json).map(([name, said]) => [name, requestOf(`${source}: ${shownName(name)}`, said)]));
}

function requestOf(where: string, said: unknown): ColumnRequest {
  const record = isRecord(said) ? said : { kind: said }, own = new Map(Object.entries(record));
  const kind = KINDS.find((each) => each === own.get("kind"));
  if (kind === undefined) {
    const got = own.get("kind"), [near] = typeof got === "string" && got.length < 60 ? nearest(got, KINDS) : [];
    throw new TableError(
      `${where} is ${shown(got)}, expected one of ${KINDS.join(", ")}.` + (near ? ` Did you mean ${near}?` : ""),
    );
  }
  for (const key of own.keys()) {
    if (key === "kind" || KEYS[kind].includes(key)) continue;
    const [near] = nearest(key, KEYS[kind]), known = KEYS[kind].join(", ") || "nothing";
    throw new TableError(
      `${where} says ${JSON.stringify(key.slice(0, 40))}, but of a ${kind} there is ${known}.` +
        (near ? ` Did you mean ${near}?` : " Leave it out."),
    );
  }
  const wrong = (key: string, expected: string) =>
    new TableError(`${where} has the ${key} ${shown(own.get(key))}, expected ${expected}.`);
  switch (kind) {
    case "number": {
      const step = own.get("step"), bounds = own.get("bounds"), given = own.get("transform");
      const transform = TRANSFORMS.find((each) => each === given);
      if (step !== undefined && !(isFinite(step) && step >= 0)) throw wrong("step", "a number above 0, or 0 for none");
      if (given !== undefined && transform === undefined) throw wrong("transform", `one of ${TRANSFORMS.join(", ")}`);
      if (bounds !== undefined && !isRange(bounds)) throw wrong("bounds", "two numbers, as [0, 100]");
      return {
        kind,
        ...(step === undefined ? {} : { step }),
        ...(transform === undefined ? {} : { transform }),
        ...(bounds === undefined ? {} : { bounds }),
      };
    }
    case "date": {
      const format = own.get("format");
      if (format === undefined) return { kind };
      if (typeof format === "string" && DATE_FORMATS.has(format)) return { kind, format };
      const [near] = typeof format === "string" && format.length < 60 ? nearest(format, DATE_FORMATS.keys()) : [];
      throw wrong(
        "format",
        `a form of dates, as YYYY-MM-DD, M/D/YYYY or D.M.YYYY HH:mm${near ? `; maybe ${near}` : ""}`,
      );
    }
    case "class": {
      const levels = own.get("levels");
      if (levels === undefined) return { kind };
      if (isTexts(levels) && levels.length > 0 && new Set(levels).size === levels.length) return { kind, levels };
      throw wrong("levels", 'a list of different texts, as ["low", "high"]');
    }
    default:
      return { kind };
  }
}

function isRecord(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

function isFinite(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function isRange(value: unknown): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every(isFinite) && value[0] < value[1];
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function shown(value: unknown): string {
  return value === undefined ? "nothing" : (JSON.stringify(value) ?? "nothing").slice(0, 60);
}
