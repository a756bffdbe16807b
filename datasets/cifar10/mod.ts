/**
 * CIFAR-10: 50,000 pictures of 32 x 32 pixels to train on, and 10,000 to validate on.
 *
 * @module
 */
import { join } from "node:path";
import { messageOf } from "../../core/errors/user_error.ts";
import { cacheFolder } from "../../core/io/cache.ts";
import { download } from "../../core/io/download.ts";
import { filesOfTarGz } from "../../core/io/tar.ts";
import type { Dataset, LoadContext, OptionValues } from "../../core/plugins/contracts.ts";
import type { Random } from "../../core/random/random.ts";
import { type Condition, encodeCondition, givenEach } from "../../core/data/condition.ts";
import { byteSamples, IMAGE_SCALE, type Samples } from "../../core/data/samples.ts";
import {
  type Batches,
  batchesOf,
  CifarError,
  IMAGE_BYTES,
  LABELS,
  MAX_FILE_BYTES,
  TEST_FILE,
  TRAIN_FILES,
} from "./batches.ts";

export { CifarError } from "./batches.ts";

/** The options of this data set. */
export const options = {
  data: {
    default: "",
    path: true,
    help: "folder with data_batch_1.bin and so on, or cifar-10-binary.tar.gz; downloaded if left out",
  },
  condition: { default: "", help: "label, for p(x | label) of the pictures' classes 0 to 9" },
} as const;

/** Where the binary version is published. */
const ADDRESS = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";
const MD5 = "c32a1d4ab5d03f1284b67883e8d87530";

/** The published archive has 170 MB, and 184 MB unpacked. */
const MAX_ARCHIVE_BYTES = 200_000_000;
const MAX_UNPACKED_BYTES = 6 * MAX_FILE_BYTES + 10_000_000;

/** How the data set is downloaded. */
export interface CifarContext extends LoadContext {
  /** The address of the archive, the published one if left out. */
  readonly address?: string;
  /** The folder to keep it in, that of {@link cacheFolder} if left out. */
  readonly cache?: string;
}

/**
 * Loads the images, scaled to [−1, 1], with their labels where these are asked for. They are kept as bytes.
 *
 * @throws CifarError, ArchiveError or DownloadError if the files are not those of CIFAR-10 or smaller ones of the same
 * layout, NetworkError if they have to be downloaded and cannot be.
 */
export async function load(_random: Random, values: OptionValues = {}, context: CifarContext = {}): Promise<Dataset> {
  const asked = String(values.condition ?? options.condition.default);
  if (asked !== "" && asked !== LABEL) {
    throw new CifarError(`--condition is ${asked}, but what CIFAR-10 knows of a picture is its ${LABEL}. Give that.`);
  }
  const source = String(values.data ?? options.data.default) || await downloaded(context);
  const train = batchesOf(TRAIN_FILES, source), test = batchesOf([TEST_FILE], source);
  const batchOf = (name: string) => TRAIN_FILES.includes(name) ? train : name === TEST_FILE ? test : undefined;
  if (await isFolder(source)) await readFolder(source, batchOf);
  else await readArchive(source, batchOf);
  return {
    shape: [3, 32, 32],
    ...labelled(train.images(), test.images(), asked === LABEL),
    range: [-1, 1],
    delta: 2 / 255,
  };
}

/** What is known of a picture. */
const LABEL = "label";

function labelled(
  train: ReturnType<Batches["images"]>,
  validation: ReturnType<Batches["images"]>,
  isAsked: boolean,
): Pick<Dataset, "train" | "validation" | "condition"> {
  const [own, other] = [train, validation].map(({ pixels }) => byteSamples(pixels, IMAGE_BYTES, IMAGE_SCALE));
  if (!isAsked) return { train: own, validation: other };
  const levels = Array.from({ length: LABELS }, (_, label) => label);
  const counts = levels.map((level) => train.labels.reduce((count, label) => count + Number(label === level), 0));
  const condition: Condition = [{ name: LABEL, kind: "class", levels, counts }];
  const told = (samples: Samples, labels: Uint8Array) => givenEach(samples, encodeCondition(condition, labels));
  return { condition, train: told(own, train.labels), validation: told(other, validation.labels) };
}

/** The path of the published archive, which is downloaded once. */
async function downloaded({ address = ADDRESS, cache, onProgress, signal }: CifarContext): Promise<string> {
  const path = join(cache ?? join(cacheFolder(), "datasets"), "cifar-10-binary.tar.gz");
  await download(address, path, {
    digest: `md5:${MD5}`,
    maxBytes: MAX_ARCHIVE_BYTES,
    onProgress: onProgress && (({ done, total }) => onProgress({ label: "CIFAR-10", done, total })),
    signal,
  });
  return path;
}

async function isFolder(source: string): Promise<boolean> {
  try {
    return (await Deno.stat(source)).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new CifarError(`There is no ${source}. Check the path of --data.`);
    throw new CifarError(`Cannot read ${source}: ${messageOf(error)}. Check the path and its permissions.`);
  }
}

/** The batches that a file belongs to, if any. */
type BatchOf = (name: string) => Batches | undefined;

async function readFolder(folder: string, batchOf: BatchOf): Promise<void> {
  for (const name of [...TRAIN_FILES, TEST_FILE]) {
    const batches = batchOf(name);
    try {
      using file = await Deno.open(join(folder, name));
      const { size } = await file.stat(), target = batches?.room(name, size) ?? new Uint8Array();
      for (let filled = 0; filled < size;) {
        const count = await file.read(target.subarray(filled));
        if (count === null) throw new CifarError(`${folder}: ${name} became shorter while it was read. Try again.`);
        filled += count;
      }
    } catch (error) {
      // The missing ones are all named at the end.
      if (error instanceof Deno.errors.NotFound) continue;
      throw error instanceof CifarError ? error : new CifarError(
        `Cannot read ${join(folder, name)}: ${messageOf(error)}. Check its permissions.`,
        { cause: error },
      );
    }
  }
}

async function readArchive(path: string, batchOf: BatchOf): Promise<void> {
  for await (const file of filesOfTarGz(path, MAX_UNPACKED_BYTES)) {
    // As published, the files lie in a folder; whoever packs them anew may leave it out.
    const [name, ...folders] = file.path.split("/").reverse();
    if (folders.length > 1) continue;
    const batches = batchOf(name);
    if (batches) await file.read(batches.room(name, file.size));
  }
}
