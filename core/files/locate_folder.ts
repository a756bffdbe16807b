import { basename, join } from "node:path";
import { dataEnding } from "../data/data_file.ts";
import { DataFileError } from "../io/data_array.ts";
import { type FolderEntries, IMAGE_ENDINGS, listFolder, openPictures, type PictureOptions } from "../io/images.ts";
import { heldRows } from "../io/stored_rows.ts";
import { idxSource, LABEL_NAMES } from "./idx_labels.ts";
import type { Part, Parts, StoredSource } from "./locate.ts";
import { listed } from "./match_columns.ts";

/** The names of subfolders that are parts. */
const PART_FOLDERS: Readonly<Record<Part, RegExp>> = {
  train: /^train(ing)?$/i,
  validation: /^(val|valid|validation|dev)$/i,
  test: /^test(ing)?$/i,
};

/** What says in the name of an IDX file which part it is. */
const PART_FILES: Readonly<Record<Part, RegExp>> = {
  train: /(^|[-._])train(ing)?([-._]|$)/i,
  validation: /(^|[-._])(val|valid|validation|dev)([-._]|$)/i,
  test: /(^|[-._])(t10k|test(ing)?)([-._]|$)/i,
};

const PARTS = ["train", "validation", "test"] as const;

/** Pictures of a part, with the class of each where they lie in folders of classes. */
interface PictureSet {
  readonly path: string;
  readonly files: readonly string[];
  readonly classes?: readonly string[];
  /** What else lies there. */
  readonly others: number;
}

/**
 * What a folder holds: pictures; folders of pictures, each of a class; subfolders `train`, `validation` and `test` of either;
 * or IDX files named as MNIST's.
 *
 * @throws {DataFileError} If it cannot be read or holds none of these.
 */
export async function locateFolder(path: string, options: PictureOptions): Promise<Parts<StoredSource>> {
  const entries = await listFolder(path);
  if (entries.pictures.length === 0) {
    const images = idxFiles(entries.files);
    if (images.length > 0) return idxParts(path, images);
  }
  const sets = await pictureParts(path, entries);
  if (!sets) {
    throw new DataFileError(
      `${path} has no pictures in it (.${
        IMAGE_ENDINGS.join(", .")
      }). Name a folder that holds them itself, or folders of ` +
        "them, one for each class.",
    );
  }
  const classes = [...new Set(Object.values(sets).flatMap(({ classes = [] }) => classes))].sort();
  return mapParts(sets, (set) => pictureSource(set, classes, options));
}

/** The parts of a folder of pictures; nothing where there are none. */
async function pictureParts(path: string, entries: FolderEntries): Promise<Parts<PictureSet> | undefined> {
  const folders: { name: string; entries: FolderEntries }[] = [];
  for (const name of entries.folders) folders.push({ name, entries: await listFolder(join(path, name)) });
  const sets = new Map<string, PictureSet>();
  for (const { name, entries: own } of folders) {
    if (!PARTS.some((part) => PART_FOLDERS[part].test(name))) continue;
    const set = await pictureSet(join(path, name), own);
    if (set) sets.set(name, set);
  }
  const [train, validation, test] = PARTS.map((part) => {
    const names = [...sets.keys()].filter((name) => PART_FOLDERS[part].test(name));
    if (names.length > 1) {
      throw new DataFileError(`${path} has the folders ${names.join(" and ")}, both of one part. Leave one.`);
    }
    return sets.get(names[0]);
  });
  // A train is a class, too, where there are others beside it.
  const isAlone = folders.every(({ name, entries: { pictures } }) => sets.has(name) || pictures.length === 0) &&
    entries.pictures.length === 0;
  if (train && (validation || test || isAlone)) {
    const others = entries.files.length + entries.pictures.length + folders.length - sets.size + entries.others;
    return {
      train: { ...train, others: train.others + others },
      ...(validation ? { validation } : {}),
      ...(test ? { test } : {}),
    };
  }
  const own = setOf(path, entries, folders);
  return own && { train: own };
}

async function pictureSet(path: string, entries: FolderEntries): Promise<PictureSet | undefined> {
  const folders: { name: string; entries: FolderEntries }[] = [];
  if (entries.pictures.length === 0) {
    for (const name of entries.folders) folders.push({ name, entries: await listFolder(join(path, name)) });
  }
  return setOf(path, entries, folders);
}

/** The pictures of a folder itself, or else those of its subfolders, which are their classes. */
function setOf(
  path: string,
  { pictures, files, folders: names, others }: FolderEntries,
  folders: readonly { readonly name: string; readonly entries: FolderEntries }[],
): PictureSet | undefined {
  if (pictures.length > 0) {
    const rest = files.length + names.length + others;
    return { path, files: pictures.map((name) => join(path, name)), others: rest };
  }
  const all: string[] = [], classes: string[] = [];
  let rest = files.length + others;
  for (const { name, entries } of folders) {
    rest += entries.files.length + entries.folders.length + entries.others;
    if (entries.pictures.length === 0) rest++;
    for (const picture of entries.pictures) {
      all.push(join(path, name, picture));
      classes.push(name);
    }
  }
  return all.length > 0 ? { path, files: all, classes, others: rest } : undefined;
}

function pictureSource(
  { path, files, classes: own, others }: PictureSet,
  classes: readonly string[],
  options: PictureOptions,
): StoredSource {
  const notes = [
    ...(own ? [`classes ${listed(counted(own))}`] : []),
    ...(others > 0 ? [`${others} other ${others === 1 ? "entry" : "entries"} of the folder ignored`] : []),
  ];
  // What is called 0 to 9 is those numbers, so that it is the same class wherever it comes from.
  const areNumbers = classes.every((name) => /^(0|[1-9]\d{0,8})$/.test(name));
  const numberOf = new Map(classes.map((name, k) => [name, areNumbers ? Number(name) : k]));
  return {
    name: path,
    isPictures: true,
    open: () => openPictures(files, notes, options),
    beside(name) {
      if (!own || !LABEL_NAMES.includes(name)) return Promise.resolve(undefined);
      const data = Float64Array.from(own, (each) => numberOf.get(each)!);
      return Promise.resolve({
        name: `${path}:${name}`,
        open: () => Promise.resolve(heldRows({ shape: [own.length], data })),
        classes: areNumbers ? true : classes,
      });
    },
    knows: own
      ? "Name label, which is the folder that a picture lies in."
      : "Of pictures it can be label, where they lie in folders of their classes.",
  };
}

/** Each class with its pictures: `cat 12`. */
function counted(classes: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const name of classes) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => `${name} ${count}`);
}

/** The IDX files of arrays of images, each once. */
function idxFiles(names: readonly string[]): string[] {
  const images = names.filter((name) => dataEnding(name) === "idx" && /idx[3-9]-/i.test(name));
  // Who unpacks a file may have kept the packed one.
  return images.filter((name) => !(/\.gz$/i.test(name) && images.includes(name.replace(/\.gz$/i, ""))));
}

function idxParts(path: string, names: readonly string[]): Parts<StoredSource> {
  const found = PARTS.map((part) => names.filter((name) => PART_FILES[part].test(name)));
  const twice = found.find((each) => each.length > 1);
  if (twice || found[0].length === 0 && names.length > 1) {
    throw new DataFileError(
      `${basename(path)} has the IDX files ${listed(twice ?? names)}, of which it is not clear which ${
        twice ? "is meant" : "is to train on"
      }. Name one, as ${join(path, (twice ?? names)[0])}.`,
    );
  }
  const [train = names[0], validation, test] = found.map(([name]) => name as string | undefined);
  const source = (name: string) => idxSource(join(path, name));
  return {
    train: source(train),
    ...(validation !== undefined ? { validation: source(validation) } : {}),
    ...(test !== undefined && test !== train ? { test: source(test) } : {}),
  };
}

function mapParts<T, U>({ train, validation, test }: Parts<T>, map: (value: T) => U): Parts<U> {
  return {
    train: map(train),
    ...(validation === undefined ? {} : { validation: map(validation) }),
    ...(test === undefined ? {} : { test: map(test) }),
  };
}
