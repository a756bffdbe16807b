import { UserError } from "../../core/errors/user_error.ts";

/** Files that are not CIFAR-10 in its binary version. The message names what is wrong and what to do. */
export class CifarError extends UserError {}

/** The files of training images, in order, and that of test images. */
export const TRAIN_FILES = [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`);
export const TEST_FILE = "test_batch.bin";

/** The bytes of an image: 32 x 32 red ones, then as many green and blue. */
export const IMAGE_BYTES = 3 * 32 * 32;

/** A record is an image with its label, from 0 to 9, before it. */
const RECORD_BYTES = 1 + IMAGE_BYTES;
export const LABELS = 10;

/** The records of a file as published. Smaller sets of the same layout have fewer. */
const MAX_RECORDS = 10_000;

/** The most bytes that a file can have. */
export const MAX_FILE_BYTES = MAX_RECORDS * RECORD_BYTES;

/** Files to fill, and the images in them. Memory that is not filled is never touched, so that a small set takes little. */
export interface Batches {
  /**
   * Room for the contents of a file.
   *
   * @param size Its bytes.
   * @throws CifarError for a size that no such file has, or a file that is given twice.
   */
  room(name: string, size: number): Uint8Array<ArrayBuffer>;
  /**
   * The images of all files, `[count, 3, 32, 32]`, in the order of the names, and their labels, `[count]`. To be called
   * once, when all are filled.
   *
   * @throws CifarError naming a file that is missing or that holds something else.
   */
  images(): { readonly pixels: Uint8Array<ArrayBuffer>; readonly labels: Uint8Array };
}

/**
 * Batches of images that are read from files.
 *
 * @param names The files, in order.
 * @param source Where they come from, for messages.
 */
export function batchesOf(names: readonly string[], source: string): Batches {
  const bytes = new Uint8Array(names.length * MAX_FILE_BYTES);
  const sizes = new Map<string, number>();
  return {
    room(name, size) {
      if (sizes.has(name)) throw new CifarError(`${source} has ${name} twice. ${ADVICE}`);
      if (size === 0 || size % RECORD_BYTES !== 0 || size > MAX_FILE_BYTES) {
        throw new CifarError(
          `${source}: ${name} has ${size} bytes, expected a multiple of ${RECORD_BYTES} up to ${MAX_FILE_BYTES}. ${ADVICE}`,
        );
      }
      sizes.set(name, size);
      const begin = names.indexOf(name) * MAX_FILE_BYTES;
      return bytes.subarray(begin, begin + size);
    },
    images() {
      const missing = names.filter((name) => !sizes.has(name));
      if (missing.length > 0) throw new CifarError(`${source} has no ${missing.join(", ")}. ${ADVICE}`);
      let end = 0;
      const labels: number[] = [];
      names.forEach((name, i) => {
        const begin = i * MAX_FILE_BYTES, size = sizes.get(name) ?? 0;
        for (let at = begin; at < begin + size; at += RECORD_BYTES) {
          if (bytes[at] >= LABELS) {
            const record = (at - begin) / RECORD_BYTES;
            throw new CifarError(
              `${source}: record ${record} (from 0) of ${name} has the label ${bytes[at]}, expected 0 to 9. ${ADVICE}`,
            );
          }
          labels.push(bytes[at]);
          bytes.copyWithin(end, at + 1, at + RECORD_BYTES);
          end += IMAGE_BYTES;
        }
      });
      const isFull = end === names.length * MAX_RECORDS * IMAGE_BYTES;
      return { pixels: isFull ? bytes.subarray(0, end) : bytes.slice(0, end), labels: Uint8Array.from(labels) };
    },
  };
}

const ADVICE = "Give the folder or archive of the binary version, cifar-10-binary.tar.gz, or leave out --data.";
