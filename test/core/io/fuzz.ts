import { fail, ok } from "assert";
import fc from "fast-check";
import { UserError } from "../../../core/errors/user_error.ts";
import { damaged, damages } from "../../../tasks/fuzz/mutations.ts";

/**
 * Reads damaged copies of a valid file, as the task fuzz makes them. Each must be read or refused with a
 * {@link UserError} of one line.
 *
 * @param read Gets the bytes and the number of the copy.
 * @returns How many were refused.
 */
export async function fuzz(
  whole: Uint8Array<ArrayBuffer>,
  copies: number,
  read: (bytes: Uint8Array<ArrayBuffer>, copy: number) => Promise<unknown>,
): Promise<number> {
  const damage = fc.sample(damages(1), { seed: 7, numRuns: copies });
  let refused = 0;
  for (let copy = 0; copy < copies; copy++) {
    const bytes = Uint8Array.from(await damaged([{ bytes: whole, ending: "" }], damage[copy]));
    try {
      await read(bytes, copy);
    } catch (error) {
      if (!(error instanceof UserError)) fail(`copy ${copy}: ${error instanceof Error ? error.stack : error}`);
      ok(!error.message.includes("\n"), error.message);
      refused++;
    }
  }
  return refused;
}
