import { DataFileError } from "../io/data_array.ts";
import { type Format, formatOf, type ReadOptions } from "../io/formats.ts";
import type { StoredRows } from "../io/stored_rows.ts";
import { UserError } from "../errors/user_error.ts";
import { DATA_NAMES, dataEnding, type DataFileSpec, parseDataFile } from "../data/data_file.ts";
import { idxSource } from "./idx_labels.ts";
import { locateFolder } from "./locate_folder.ts";

/** The parts that a file may name. */
export type Part = "train" | "validation" | "test";

/** Something of each part that there is. */
export type Parts<T> = Partial<Record<Part, T>> & { readonly train: T };

/** An array that is not opened yet. */
export interface KnownSource {
  /** What to call it in messages. */
  readonly name: string;
  open(): Promise<StoredRows>;
  /** Of values that are classes whatever they look like: what each number from 0 on is called, where they have names. */
  readonly classes?: true | readonly string[];
}

/** An array of samples that is not opened yet. */
export interface StoredSource extends Omit<KnownSource, "classes"> {
  /** Another array, with a value for each of its rows, by the name of what is known of them; nothing where there is none. */
  beside(name: string): Promise<KnownSource | undefined>;
  /** What to name where there is none, in a sentence. */
  readonly knows?: string;
  /** Whether it is of pictures, which may be resized and laid over a background. */
  readonly isPictures?: true;
}

/** The names that a part goes by in a file. */
const PART_NAMES: Readonly<Record<Part, readonly string[]>> = {
  train: ["train"],
  validation: ["validation", "val"],
  test: ["test"],
};

/**
 * Finds out which arrays of a file or folder are which parts: those that it names so, the one that is asked for, or the only
 * one.
 *
 * @throws {DataFileError} If there is no such file or array, or it is not clear which.
 */
export async function locate(spec: string, options: ReadOptions): Promise<Parts<StoredSource>> {
  const file = parseDataFile(spec), path = file?.path ?? spec;
  if (file?.isFolder) return await locateFolder(path, options);
  const format = formatOf(path);
  if (!file || !format) {
    throw new DataFileError(
      `The data set file got the path ${
        JSON.stringify(spec)
      }, expected one of ${DATA_NAMES}. Give the path itself as ` +
        "the data set.",
    );
  }
  if (!format.names) return { train: sourceOfOne(file, format, options) };
  const listed = format.names.bind(format);
  const named = (name: string): StoredSource => {
    const source = `${path}:${name}`;
    return {
      name: source,
      open: () => format.open(path, name, source, options),
      beside: (known) => locateBeside(path, { ...format, names: listed }, name, known, options),
    };
  };
  const wanted = file.name?.replace(/^\/+/, "");
  if (wanted !== undefined) {
    // A file may have more names for an array than it lists, and more than can be listed.
    const names = await listedNames(listed, path);
    const source = named(wanted);
    if (!names.includes(wanted) && names.length > 0 && !await opens(source)) {
      throw new DataFileError(`${path} has no ${JSON.stringify(wanted)}. ${choice(path, names)}`);
    }
    return { train: source };
  }
  const names = await listed(path);
  const [train, validation, test] = (["train", "validation", "test"] as const).map((part) =>
    PART_NAMES[part].find((name) => names.includes(name))
  );
  if (train !== undefined) {
    return {
      train: named(train),
      ...(validation === undefined ? {} : { validation: named(validation) }),
      ...(test === undefined ? {} : { test: named(test) }),
    };
  }
  if (names.length !== 1) throw new DataFileError(`${path} holds ${names.length} data sets. ${choice(path, names)}`);
  return { train: named(names[0]) };
}

/** A file of one array. */
function sourceOfOne({ path, name }: DataFileSpec, format: Format, options: ReadOptions): StoredSource {
  if (name !== undefined) throw new DataFileError(`${path} holds a single array. Leave out ":${name}".`);
  const ending = dataEnding(path);
  if (ending === "idx" || ending === "idx.gz") return idxSource(path);
  return {
    name: path,
    open: () => format.open(path, "", path, options),
    beside: () => Promise.resolve(undefined),
    ...(format.isPictures ? { isPictures: true as const } : {}),
  };
}

/** Of `train` and `test` those named `train_label`, `label_train` or `train/label` and so on, of an array of another name the one beside it. */
async function locateBeside(
  path: string,
  format: Format & { readonly names: (path: string) => Promise<string[]> },
  of: string,
  name: string,
  options: ReadOptions,
): Promise<KnownSource | undefined> {
  if (of === "") return undefined;
  const isPart = Object.values(PART_NAMES).some((names) => names.includes(of));
  const folder = of.includes("/") ? of.slice(0, of.lastIndexOf("/") + 1) : "";
  const names = await listedNames(format.names, path);
  const ofPart = [`${of}_${name}`, `${name}_${of}`, `${of}/${name}`, `${name}/${of}`];
  const isAlone = !isPart || !names.some((other) => other !== of && Object.values(PART_NAMES).flat().includes(other));
  const found = [...isPart ? ofPart : [], ...isAlone ? [folder + name, name] : []].find((one) => names.includes(one));
  if (found === undefined || found === of) return undefined;
  const source = `${path}:${found}`;
  return { name: source, open: () => format.open(path, found, source, options) };
}

async function listedNames(names: (path: string) => Promise<string[]>, path: string): Promise<string[]> {
  try {
    return await names(path);
  } catch (error) {
    if (error instanceof DataFileError) return [];
    throw error;
  }
}

async function opens(source: StoredSource): Promise<boolean> {
  try {
    using _ = await source.open();
    return true;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}

function choice(path: string, names: readonly string[]): string {
  if (names.length === 0) return "Give a file that holds an array of samples.";
  const shown = names.slice(0, 10).join(", ") + (names.length > 10 ? ", …" : "");
  return `Name one of ${shown}, as in ${path}:${names[0]}.`;
}
