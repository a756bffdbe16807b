import { selectRows } from "../data/samples.ts";
import type { Random } from "../random/random.ts";
import type { Pairs } from "./linear_part.ts";

/** Pairs in parts: to train on, to choose the epoch by, and to measure on. */
export interface SplitPairs {
  readonly train: Pairs;
  readonly validation: Pairs;
  readonly test: Pairs;
}

/**
 * Splits pairs at random.
 *
 * @param heldOut The part of the rows to measure on; a tenth of the rest chooses the epoch.
 */
export function splitPairs({ x, y }: Pairs, heldOut: number, random: Random): SplitPairs {
  const order = random.permutation(x.count);
  const test = Math.max(2, Math.round(heldOut * x.count));
  const validation = test + Math.max(2, Math.round((x.count - test) / 10));
  const part = (rows: Uint32Array): Pairs => ({ x: selectRows(x, rows), y: selectRows(y, rows) });
  return {
    train: part(order.subarray(validation)),
    validation: part(order.subarray(test, validation)),
    test: part(order.subarray(0, test)),
  };
}
