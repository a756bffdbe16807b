import { fail, ok } from "assert";
import { UserError } from "../../../core/errors/user_error.ts";
import { Random } from "../../../core/random/random.ts";

/**
 * Reads damaged copies of a valid file. Each must be read or refused with a {@link UserError} of one line.
 *
 * @param read Gets the bytes and the number of the copy.
 * @returns How many were refused.
 */
export async function fuzz(
  whole: Uint8Array<ArrayBuffer>,
  copies: number,
  read: (bytes: Uint8Array<ArrayBuffer>, copy: number) => Promise<unknown>,
): Promise<number> {
  const random = Random.fromSeed(7);
  let refused = 0;
  for (let copy = 0; copy < copies; copy++) {
    try {
      await read(damage(whole, copy, random), copy);
    } catch (error) {
      if (!(error instanceof UserError)) fail(`copy ${copy}: ${error instanceof Error ? error.stack : error}`);
      ok(!error.message.includes("\n"), error.message);
      refused++;
    }
  }
  return refused;
}

/** A copy that is cut off, has a few bytes changed, a word set to its extremes, or a part left out or doubled. */
function damage(whole: Uint8Array<ArrayBuffer>, copy: number, random: Random): Uint8Array<ArrayBuffer> {
  const below = (n: number) => random.integer(Math.max(1, n));
  const begin = below(whole.length), end = Math.min(whole.length, begin + 1 + below(40));
  const join = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
  const bytes = whole.slice();
  switch (copy % 6) {
    case 0:
      return whole.slice(0, begin);
    case 1:
      return join(whole.subarray(0, begin), whole.subarray(end));
    case 2:
      return join(whole.subarray(0, end), whole.subarray(begin));
    case 3:
      return bytes.fill([0, 0x7f, 0xff][below(3)], begin, begin + 4);
    default:
      for (let n = 1 + below(4); n > 0; n--) bytes[below(bytes.length)] = below(256);
      return bytes;
  }
}
