import { DataFileError } from "../io/data_array.ts";
import { NUMBER } from "../io/decimal.ts";

/** Where the columns of a model are in a file. */
export interface ColumnMatch {
  /** For each column of the model its place in the file; as they come, if left out. */
  readonly order?: Uint32Array;
  readonly notes: readonly string[];
}

/** Names that a message lists at most. */
const LISTED = 8;

/**
 * Matches the columns of a file with those that a model knows: by name where both have names, by their places otherwise.
 *
 * @param source The file's name for messages.
 * @param width How many columns the file has.
 * @param names Their names.
 * @param wanted The model's columns, and their names.
 * @throws {DataFileError} For a column that is missing.
 */
export function matchColumns(
  source: string,
  width: number,
  names: readonly string[] | undefined,
  wanted: { readonly width: number; readonly names: readonly string[] | undefined },
): ColumnMatch {
  const isByName = names !== undefined && wanted.names !== undefined && isUnique(names) && isUnique(wanted.names) &&
    (wanted.names.some((name) => names.includes(name)) || !areNumbers(names) && !areNumbers(wanted.names));
  if (!isByName) {
    if (width !== wanted.width) {
      throw new DataFileError(
        `${source} has ${width} columns${list(names)}, but the model is of ${wanted.width}${list(wanted.names)}. ` +
          "Give data like that which it was trained on.",
      );
    }
    return { notes: names || wanted.names ? ["columns matched by their places, not by name"] : [] };
  }
  const missing = wanted.names!.filter((name) => !names!.includes(name));
  if (missing.length > 0) {
    throw new DataFileError(
      `${source} has no column ${listed(missing)}, which the model is of; it has ${listed(names!)}. Add ` +
        `${missing.length === 1 ? "it" : "them"}, or name the columns as in training.`,
    );
  }
  const order = Uint32Array.from(wanted.names!, (name) => names!.indexOf(name));
  const extra = names!.filter((name) => !wanted.names!.includes(name));
  const isInOrder = extra.length === 0 && order.every((place, k) => place === k);
  return {
    ...(isInOrder ? {} : { order }),
    notes: ["matched by name", ...(extra.length > 0 ? [`${listed(extra)} ignored`] : [])],
  };
}

function isUnique(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}

/** Whether names are numbers, as those that pandas gives columns without names. */
function areNumbers(names: readonly string[]): boolean {
  return names.every((name) => NUMBER.test(name) || /^column \d+$/.test(name));
}

function list(names: readonly string[] | undefined): string {
  return names ? ` (${listed(names)})` : "";
}

/** Names on one line: `height, weight`. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, LISTED).map((name) => name.replace(/[\p{Cc}\s]+/gu, " ").slice(0, 40));
  return shown.join(", ") + (names.length > LISTED ? ` and ${names.length - LISTED} more` : "");
}
