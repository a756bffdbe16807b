import { join } from "node:path";
import { freeMemory, gigabytes } from "../devices/memory.ts";
import { messageOf } from "../errors/user_error.ts";
import { allocate, type DataArray, DataFileError, openFile, readInto } from "./data_array.ts";
import type { NumberType } from "./numbers.ts";
import { decodePicture, type Picture } from "./picture.ts";
import { heldRows, type StoredRows } from "./stored_rows.ts";

/** The endings of pictures' names. */
export const IMAGE_ENDINGS = ["png", "jpg", "jpeg", "webp"] as const;

/** Pictures that are decoded at a time. */
const AT_ONCE = 8;

/**
 * Opens a picture as `[1, channels, height, width]`, as {@linkcode openImageFolder} does those of a folder.
 *
 * @throws {DataFileError} If it cannot be read, or is no picture with one frame, grey or RGB, and opaque.
 */
export function openImages(path: string): Promise<StoredRows> {
  return openPictures([path], []);
}

/**
 * Opens all pictures of a folder, in the order of their names, as `[n, channels, height, width]`: bytes, or 0 to 65535
 * where they have 16 bits. They are held in memory. Grey ones among others become colour.
 *
 * @throws {DataFileError} If there are none or one cannot be read, or differs in its size or bits from the first.
 */
export async function openImageFolder(path: string): Promise<StoredRows> {
  const names: string[] = [];
  let others = 0;
  try {
    for await (const { name, isDirectory } of Deno.readDir(path)) {
      if (!isDirectory && isImageName(name)) names.push(name);
      else others++;
    }
  } catch (error) {
    const what = error instanceof Deno.errors.NotFound ? "there is no such folder" : messageOf(error);
    throw new DataFileError(`Cannot read ${path}: ${what}. Check the path and its permissions.`, { cause: error });
  }
  if (names.length === 0) {
    throw new DataFileError(
      `${path} has no pictures in it (.${IMAGE_ENDINGS.join(", .")}). Name a folder that holds them itself.`,
    );
  }
  const notes = others === 0 ? [] : [`${others} other ${others === 1 ? "entry" : "entries"} of the folder ignored`];
  return await openPictures(names.sort().map((name) => join(path, name)), notes);
}

/** Whether a file's name is a picture's. macOS leaves files `._1.png` beside pictures, which are none. */
function isImageName(name: string): boolean {
  return !name.startsWith(".") && IMAGE_ENDINGS.some((ending) => name.toLowerCase().endsWith(`.${ending}`));
}

async function openPictures(paths: readonly string[], notes: readonly string[]): Promise<StoredRows> {
  const pictures = new Pictures(paths);
  for (let begin = 0; begin < paths.length; begin += AT_ONCE) {
    const some = await Promise.allSettled(paths.slice(begin, begin + AT_ONCE).map(readPicture));
    // The first in the order of names is told, whichever failed first.
    for (const result of some) {
      if (result.status === "rejected") throw result.reason;
      pictures.add(result.value);
    }
  }
  return pictures.finish(notes);
}

function readPicture(path: string): Promise<Picture> {
  return openFile(path, async (file, size) => {
    using _ = file;
    const bytes = new Uint8Array(size);
    await readInto(file, bytes, path);
    return await decodePicture(bytes, path);
  });
}

/** The pictures so far, channels first. */
class Pictures {
  #first: Picture | undefined;
  #channels = 0;
  #data: DataArray["data"] = new Uint8Array();
  #count = 0;
  #grey = 0;
  #alpha = 0;
  #turned = 0;

  constructor(readonly paths: readonly string[]) {}

  add(picture: Picture): void {
    const { width, height, channels, pixels, hadAlpha, isTurned } = picture;
    const first = this.#first ??= picture, path = this.paths[this.#count];
    const is16 = (each: Picture) => each.pixels instanceof Uint16Array;
    if (width !== first.width || height !== first.height || is16(picture) !== is16(first)) {
      const what = (each: Picture) => `${each.width} x ${each.height} pixels of ${is16(each) ? 16 : 8} bits`;
      throw new DataFileError(
        `${path} has ${what(picture)}, but ${this.paths[0]} has ${what(first)}. Give pictures of one size.`,
      );
    }
    if (channels > this.#channels) this.#widen(channels);
    const size = width * height, begin = this.#count * this.#channels * size;
    for (let c = 0; c < this.#channels; c++) {
      const from = channels === 1 ? 0 : c, at = begin + c * size;
      for (let i = 0; i < size; i++) this.#data[at + i] = pixels[i * channels + from];
    }
    this.#count++;
    this.#grey += channels === 1 ? 1 : 0;
    this.#alpha += hadAlpha ? 1 : 0;
    this.#turned += isTurned ? 1 : 0;
  }

  finish(notes: readonly string[]): StoredRows {
    const { width, height } = this.#first!, all = this.paths.length;
    const some = (count: number) => all === 1 ? "" : ` of ${count} of ${all} pictures`;
    const told = [
      ...notes,
      ...(this.#channels === 3 && this.#grey > 0 ? [`${this.#grey} grey of ${all} pictures made colour`] : []),
      ...(this.#alpha > 0 ? [`opaque alpha channel${some(this.#alpha)} left out`] : []),
      ...(this.#turned > 0 ? [`EXIF orientation${some(this.#turned)} ignored`] : []),
    ];
    return heldRows({ shape: [all, this.#channels, height, width], data: this.#data }, {
      type: this.#type,
      ...(told.length ? { notes: told } : {}),
    });
  }

  get #type(): NumberType {
    return this.#first!.pixels instanceof Uint16Array ? "u2" : "u1";
  }

  /** Makes room for all pictures with as many channels; those that are there so far are grey. */
  #widen(channels: number): void {
    const { width, height } = this.#first!, size = width * height, count = this.paths.length * channels * size;
    requireMemory(count * (this.#type === "u1" ? 1 : 4), this.paths[0]);
    const grey = this.#data;
    this.#data = allocate(this.#type, count, this.paths[0]);
    for (let n = 0; n < this.#count; n++) {
      const one = grey.subarray(n * size, (n + 1) * size);
      for (let c = 0; c < channels; c++) this.#data.set(one, (n * channels + c) * size);
    }
    this.#channels = channels;
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
