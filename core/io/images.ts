import { freeMemory, gigabytes } from "../devices/memory.ts";
import { messageOf } from "../errors/user_error.ts";
import { allocate, type DataArray, DataFileError, openFile, readInto } from "./data_array.ts";
import { fitPicture, type PictureSize } from "./fit_picture.ts";
import type { NumberType } from "./numbers.ts";
import { type Colour, MAX_BYTES, openPicture, type Picture, type UndecodedPicture } from "./picture.ts";
import { heldRows, type StoredRows } from "./stored_rows.ts";

/** The endings of pictures' names. */
export const IMAGE_ENDINGS = ["png", "jpg", "jpeg", "webp"] as const;

/** Pictures that are read at a time, and the bytes that those which are decoded at a time unpack to, if there are several. */
const AT_ONCE = 8, BYTES_AT_ONCE = 1 << 26;

/** What is made of pictures before they are rows. */
export interface PictureOptions {
  /** The size that each is brought to ({@linkcode fitPicture}); all have to be of one, if left out. */
  readonly size?: PictureSize;
  /** What transparent ones are laid over; they are refused, if left out. */
  readonly background?: Colour;
  /** Ends the reading of many soon after, with its reason as the error. */
  readonly signal?: AbortSignal | undefined;
}

/** What lies in a folder, by name and in order. */
export interface FolderEntries {
  readonly pictures: readonly string[];
  readonly folders: readonly string[];
  /** Other files. */
  readonly files: readonly string[];
  /** How many entries there are besides, which are hidden or neither files nor folders. */
  readonly others: number;
}

/**
 * Lists a folder.
 *
 * @throws {DataFileError} If it cannot be read.
 */
export async function listFolder(path: string): Promise<FolderEntries> {
  const pictures: string[] = [], folders: string[] = [], files: string[] = [];
  let others = 0;
  try {
    for await (const { name, isDirectory, isFile, isSymlink } of Deno.readDir(path)) {
      const link = isSymlink ? await targetOf(`${path}/${name}`) : undefined;
      // macOS leaves files `._1.png` beside pictures, which are none.
      if (name.startsWith(".")) others++;
      else if (isDirectory || link?.isDirectory) folders.push(name);
      else if (!isFile && !link?.isFile) others++;
      else if (IMAGE_ENDINGS.some((ending) => name.toLowerCase().endsWith(`.${ending}`))) pictures.push(name);
      else files.push(name);
    }
  } catch (error) {
    const what = error instanceof Deno.errors.NotFound ? "there is no such folder" : messageOf(error);
    throw new DataFileError(`Cannot read ${path}: ${what}. Check the path and its permissions.`, { cause: error });
  }
  return { pictures: pictures.sort(), folders: folders.sort(), files: files.sort(), others };
}

async function targetOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Opens pictures as `[n, channels, height, width]`, in their order: bytes, or 0 to 65535 where some have 16 bits. They are
 * held in memory. Grey ones among others become colour, and those of 8 bits among others 16.
 *
 * @param notes What is said of where they lie.
 * @throws {DataFileError} If one cannot be read, is no picture with one frame, grey or RGB, is transparent without a
 * background, or differs in its size from the first.
 */
export async function openPictures(
  paths: readonly string[],
  notes: readonly string[] = [],
  { size, background, signal }: PictureOptions = {},
): Promise<StoredRows> {
  const pictures = new Pictures(paths, size);
  for (let begin = 0; begin < paths.length; begin += AT_ONCE) {
    signal?.throwIfAborted();
    const some = paths.slice(begin, begin + AT_ONCE);
    const read = await Promise.allSettled(some.map(readPicture));
    for (let from = 0, to = 0; from < read.length; from = to) {
      let bytes = bytesOf(read[to++]);
      while (to < read.length && bytes + bytesOf(read[to]) <= BYTES_AT_ONCE) bytes += bytesOf(read[to++]);
      const decoded = await Promise.allSettled(
        read.slice(from, to).map(async (each) => {
          if (each.status === "rejected") throw each.reason;
          const picture = await each.value.decode(background);
          return { picture: size ? fitPicture(picture, size) : picture, stored: picture };
        }),
      );
      // The first in the order of names is told, whichever failed first.
      for (const result of decoded) {
        if (result.status === "rejected") throw result.reason;
        pictures.add(result.value.picture, result.value.stored);
      }
    }
  }
  return pictures.finish(notes);
}

function bytesOf(read: PromiseSettledResult<UndecodedPicture>): number {
  return read.status === "fulfilled" ? read.value.bytes : 0;
}

function readPicture(path: string): Promise<UndecodedPicture> {
  return openFile(path, async (file, size) => {
    using _ = file;
    if (size > MAX_BYTES) {
      throw new DataFileError(`${path} has ${size} bytes, expected a picture of at most ${MAX_BYTES}.`);
    }
    const bytes = new Uint8Array(size);
    await readInto(file, bytes, path);
    return await openPicture(bytes, path);
  });
}

/** What a 16-bit value is times an 8-bit one: white is 65535 then. */
const DEEPER = 257;

/** The pictures so far, channels first. */
class Pictures {
  #first: Picture | undefined;
  #channels: 1 | 3 = 1;
  #type: NumberType = "u1";
  #data: DataArray["data"] = new Uint8Array();
  #count = 0;
  readonly #told = { grey: 0, shallow: 0, opaque: 0, laid: 0, turned: 0, resized: 0, enlarged: 0, cut: 0 };

  constructor(readonly paths: readonly string[], readonly size: PictureSize | undefined) {}

  /** @param stored The picture before it was resized. */
  add(picture: Picture, stored: PictureSize): void {
    const { width, height, channels, pixels, alpha, isTurned } = picture;
    const first = this.#first ??= picture, path = this.paths[this.#count], told = this.#told;
    if (width !== first.width || height !== first.height) {
      throw new DataFileError(
        `${path} has ${width} x ${height} pixels, but ${this.paths[0]} has ${first.width} x ${first.height}. Give ` +
          "pictures of one size, or bring all to one, as --size 32 or --size 48x32.",
      );
    }
    const is16 = pixels instanceof Uint16Array;
    if (this.#count === 0 || channels > this.#channels || is16 && this.#type === "u1") {
      this.#widen(channels > this.#channels ? channels : this.#channels, is16 ? "u2" : this.#type);
    }
    const size = width * height, begin = this.#count * this.#channels * size;
    const factor = this.#type === "u2" && !is16 ? DEEPER : 1;
    for (let c = 0; c < this.#channels; c++) {
      const from = channels === 1 ? 0 : c, at = begin + c * size;
      for (let i = 0; i < size; i++) this.#data[at + i] = factor * pixels[i * channels + from];
    }
    this.#count++;
    told.grey += Number(channels === 1);
    told.shallow += Number(!is16);
    told.opaque += Number(alpha === "opaque");
    told.laid += Number(alpha === "transparent");
    told.turned += Number(isTurned);
    told.resized += Number(width !== stored.width || height !== stored.height);
    told.enlarged += Number(width > stored.width || height > stored.height);
    told.cut += Number(width * stored.height !== height * stored.width);
  }

  finish(notes: readonly string[]): StoredRows {
    const { width, height } = this.#first!, all = this.paths.length, told = this.#told;
    const some = (count: number) => all === 1 ? "" : ` of ${count} of ${all} pictures`;
    const which = (count: number) =>
      all === 1 ? "the picture" : count === all ? "all pictures" : `${count} of ${all} pictures`;
    const many = (count: number) => count === all ? "" : ` ${count} of them`;
    const lines = [
      ...notes,
      ...(this.#channels === 3 && told.grey > 0 ? [`${told.grey} grey of ${all} pictures made colour`] : []),
      ...(this.#type === "u2" && told.shallow > 0 ? [`${told.shallow} of ${all} pictures made 16 bits of 8`] : []),
      ...(told.opaque > 0 ? [`opaque alpha channel${some(told.opaque)} left out`] : []),
      ...(told.laid > 0 ? [`${which(told.laid)} laid over the background`] : []),
      ...(told.turned > 0 ? [`${which(told.turned)} turned upright by EXIF`] : []),
      ...(told.resized > 0
        ? [
          `${which(told.resized)} resized to ${width} x ${height}` +
          (told.cut > 0
            ? `, cut to that ratio around the middle${told.cut === told.resized ? "" : many(told.cut)}`
            : "") +
          (told.enlarged > 0 ? `, enlarged${told.enlarged === told.resized ? "" : many(told.enlarged)}` : ""),
        ]
        : []),
    ];
    return heldRows({ shape: [all, this.#channels, height, width], data: this.#data }, {
      type: this.#type,
      ...(lines.length ? { notes: lines } : {}),
    });
  }

  /** Makes room for all pictures with as many channels and bits; what is there is brought to them. */
  #widen(channels: 1 | 3, type: NumberType): void {
    const { width, height } = this.#first!, size = width * height, count = this.paths.length * channels * size;
    requireMemory(count * (type === "u1" ? 1 : 4), this.paths[0]);
    const before = this.#data, had = this.#channels, factor = type === this.#type ? 1 : DEEPER;
    this.#data = allocate(type, count, this.paths[0]);
    for (let n = 0; n < this.#count; n++) {
      for (let c = 0; c < channels; c++) {
        const from = (n * had + (had === 1 ? 0 : c)) * size, at = (n * channels + c) * size;
        for (let i = 0; i < size; i++) this.#data[at + i] = factor * before[from + i];
      }
    }
    this.#channels = channels;
    this.#type = type;
  }
}

/** Refuses what the machine has no memory for: a system gives it out, and kills who uses it. */
function requireMemory(bytes: number, path: string): void {
  const free = freeMemory();
  if (bytes < free) return;
  throw new DataFileError(
    `The pictures beside ${path} take ${gigabytes(bytes)}, but ${gigabytes(free)} of memory are free. ` +
      "Store them in an HDF5 file, which is read in parts.",
  );
}
