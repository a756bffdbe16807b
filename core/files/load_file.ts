import { parseDataFile } from "../data/data_file.ts";
import { UsageError } from "../errors/usage_error.ts";
import { DataFileError } from "../io/data_array.ts";
import { isTableFile } from "../tables/open_table.ts";
import type { OptionSpec, OptionValues } from "../options/spec.ts";
import type { Dataset, LoadContext } from "../plugins/contracts.ts";
import type { Random } from "../random/random.ts";
import { loadArrays, requestedBy } from "./load_arrays.ts";
import { loadTable, plainRemarks, TABLE_OPTIONS } from "./load_table.ts";
import { locate } from "./locate.ts";
import { optionsOf, READ_OPTIONS } from "./options.ts";

/** The options of the data set `file`. */
export const options = {
  ...TABLE_OPTIONS,
  path: { default: "", help: "the file, if its path is not given in place of the data set's name" },
  standardise: {
    default: "auto",
    choices: ["auto", "on", "off"],
    help: "bring each axis to mean 0 and standard deviation 1; auto: for points that are not bytes",
  },
  condition: {
    default: "",
    help:
      "what is known of each sample, for p(x | c): columns by name or number from 0, or another array of the file, " +
      "as label,age; label:class or age:number say what it is",
  },
  ...READ_OPTIONS,
} as const satisfies Readonly<Record<string, OptionSpec>>;

/**
 * Loads a file: its numbers are gone through where they lie, so that only what the model sees of them is kept, in four
 * bytes a value, or one of bytes; a table takes eight more while it is read.
 *
 * @throws {UserError} If it cannot be read, or does not hold samples of one shape and finite values.
 */
export async function load(random: Random, values: OptionValues = {}, context: LoadContext = {}): Promise<Dataset> {
  const path = String(values.path ?? options.path.default), { header } = optionsOf(values);
  const remarks: string[] = [];
  if (await isTyped(path, header, values, undefined, remarks)) {
    return await loadTable(path, header, values, random, context);
  }
  try {
    const data = await loadNumbers(path, random, values, context);
    for (const remark of remarks) context.onNote?.(remark);
    return data;
  } catch (error) {
    // The first rows of a long table may be of numbers alone.
    if (!(error instanceof DataFileError)) throw error;
    const asked = values.condition ?? "";
    if (asked !== "" && await isTyped(path, header, { ...values, condition: "" }, Infinity)) {
      throw new DataFileError(
        `${error.message} --condition is of numbers alone: of a table with texts or gaps leave it out, and ask impute for ` +
          "any of its columns by the others.",
      );
    }
    if (!await isTyped(path, header, values, Infinity)) throw error;
    return await loadTable(path, header, values, random, context);
  }
}

/**
 * Whether a file is a table that has more than continuous numbers, or of which types are said.
 *
 * @param rows Looked at.
 * @param remarks Gets what is doubtful in one of continuous numbers.
 */
async function isTyped(
  path: string,
  header: "auto" | "on" | "off",
  values: OptionValues,
  rows?: number,
  remarks: string[] = [],
): Promise<boolean> {
  const said = (["types", "columns", "drop", "id"] as const).filter((name) =>
    String(values[name] ?? options[name].default) !== options[name].default
  );
  const isOff = values.types === "off", others = said.filter((name) => name !== "types");
  const plain = (["standardise", "range", "condition"] as const).find((name) =>
    String(values[name] ?? options[name].default) !== options[name].default
  );
  const file = parseDataFile(path), isTable = file !== undefined && !file.isFolder && isTableFile(file.path);
  if (isTable && !isOff && !plain) {
    if (said.length > 0) return true;
    const found = await plainRemarks(file.path, header, rows);
    remarks.push(...found ?? []);
    return found === undefined;
  }
  const [first] = isOff ? others : said;
  if (first === undefined) return false;
  throw new UsageError(
    isTable
      ? `--${first} is given, but ${
        isOff ? "--types is off" : `--${plain} is given as well`
      }, which is of numbers alone. Leave one of them out.`
      : `--${first} is given, but ${path} is no table. Leave it out.`,
  );
}

async function loadNumbers(path: string, random: Random, values: OptionValues, context: LoadContext): Promise<Dataset> {
  const missing = requestedBy(values).map(({ name }) => name);
  return await loadArrays(
    path,
    await locate(path, { ...optionsOf(values), missing, signal: context.signal }),
    random,
    values,
    context,
  );
}
