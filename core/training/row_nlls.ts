import { type Samples, selectRows } from "../data/samples.ts";
import { type GaussianMixture, referenceNll } from "../reference/mixture.ts";

/** Rows whose NLL is taken at a time: the mixture is got ready once for all of them. */
const AT_ONCE = 1 << 14;

/**
 * −log p of rows under a mixture in nats, each taken when it is first asked for, with those that follow in the order: a
 * training of many rows begins at once.
 *
 * @returns The NLL of all rows; those at the places from `begin` to `end` of an order are there.
 */
export function rowNlls(
  samples: Samples,
  mixture: GaussianMixture,
): (order: Uint32Array, begin: number, end: number) => Float64Array {
  const nll = new Float64Array(samples.count), isThere = new Uint8Array(samples.count);
  return (order, begin, end) => {
    if (order.subarray(begin, end).every((row) => isThere[row] === 1)) return nll;
    const rows = order.slice(begin, Math.max(end, begin + AT_ONCE)).filter((row) => isThere[row] === 0);
    referenceNll(selectRows(samples, rows), mixture).forEach((value, i) => {
      nll[rows[i]] = value;
      isThere[rows[i]] = 1;
    });
    return nll;
  };
}
