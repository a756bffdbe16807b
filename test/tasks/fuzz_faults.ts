import { UserError } from "../../core/errors/user_error.ts";
import type { Target } from "../../tasks/fuzz/seed.ts";

/** What a reader that does as it should refuses: files that are not the seed. */
const SEED = new TextEncoder().encode("a seed of some bytes, 1 2 3");

/** A reader that has a fault wherever the file is longer than its seed, and refuses all others. */
function faulty(fault: () => void | Promise<void>): Target {
  return {
    seeds: () => Promise.resolve([{ bytes: SEED, ending: "txt" }]),
    async read(_, bytes) {
      if (bytes.length > SEED.length) await fault();
      throw new UserError("x.txt is no seed. Give another.");
    },
  };
}

/** Readers with the faults that the task is to find. */
export const TARGETS: Readonly<Record<string, Target>> = {
  throws: faulty(() => {
    throw new TypeError("no such thing");
  }),
  lines: faulty(() => {
    throw new UserError("one\ntwo");
  }),
  long: faulty(() => {
    throw new UserError("x".repeat(10_000));
  }),
  stray: faulty(() => {
    void Promise.reject(new Error("nobody waits"));
  }),
  crashes: faulty(() => Deno.exit(3)),
  hangs: faulty(() => {
    for (;;);
  }),
  grows: faulty(() => {
    new Uint8Array(1 << 30).fill(1);
  }),
};
