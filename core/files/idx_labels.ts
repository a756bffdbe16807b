import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { openIdx } from "../io/idx.ts";
import type { StoredSource } from "./locate.ts";

/** What labels may be asked for as. */
export const LABEL_NAMES: readonly string[] = ["label", "labels", "class"];

/**
 * An IDX file, whose labels are in another one beside it, as MNIST's: `train-labels-idx1-ubyte` of `train-images-idx3-ubyte`,
 * `data.idx1-ubyte` of `data.idx3-ubyte`; each gzipped or not.
 */
export function idxSource(path: string): StoredSource {
  const [likeliest] = labelFiles(basename(path));
  return {
    name: path,
    open: () => openIdx(path),
    beside(name) {
      const file = labelFileOf(path);
      if (!LABEL_NAMES.includes(name) || file === undefined) return Promise.resolve(undefined);
      return Promise.resolve({ name: file, open: () => openIdx(file), classes: true });
    },
    ...(likeliest === undefined ? {} : { knows: `Name label, which is in a file ${likeliest} beside it.` }),
  };
}

/** The file beside an IDX file of images that has their labels; nothing where there is none, or it is another file. */
export function labelFileOf(path: string): string | undefined {
  return labelFiles(basename(path)).map((each) => join(dirname(path), each)).find((each) => existsSync(each));
}

/** The names that the file of the labels of images may have; the likeliest first. */
function labelFiles(images: string): string[] {
  const [, start, separator, gz = ""] = /^(.*?)([-._])idx[2-9]-[a-z]+(\.gz)?$/i.exec(images) ?? [];
  if (start === undefined) return [];
  const stem = start.replace(/images(?!.*images)/i, (word) => word[0] === "I" ? "Labels" : "labels");
  const separators = [separator, ...["-", "."].filter((other) => other !== separator)];
  const endings = gz === "" ? ["", ".gz"] : [gz, ""];
  return endings.flatMap((ending) => separators.map((each) => `${stem}${each}idx1-ubyte${ending}`));
}
