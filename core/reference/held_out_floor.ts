import { forEachBlock, type Samples, selectRows } from "../data/samples.ts";
import { toCoordinates } from "./eigenbasis.ts";
import type { Gaussian } from "./gaussian.ts";

/** Least variances that are tried, each so many times the one before. */
const FACTOR = 2;

/** Samples that decide at most. */
const JUDGES = 4096;

/** What a floor has to gain of a sample's likelihood, in nats, to be taken. */
const LEAST_GAIN = 0.01;

/**
 * A Gaussian whose variances are at least so large that held-out samples are the most likely. Directions in which training
 * samples hardly vary, as a border of pictures that is nearly always black, are those in which others vary a thousand times
 * as much.
 *
 * @param others Samples that the Gaussian was not fitted to.
 */
export function flooredBy({ eigenvalues, ...gaussian }: Gaussian, others: Samples): Gaussian {
  const own = variancesOf({ eigenvalues, ...gaussian }, others), sorted = eigenvalues.slice().sort();
  const nllWith = (floor: number) =>
    eigenvalues.reduce((sum, l, k) => {
      const variance = Math.max(l, floor);
      return sum + 0.5 * (Math.log(variance) + own[k] / variance);
    }, 0);
  let best = { floor: 0, nll: nllWith(0) - LEAST_GAIN };
  for (let floor = sorted[0] * FACTOR; floor < sorted[sorted.length - 1]; floor *= FACTOR) {
    const nll = nllWith(floor);
    if (nll < best.nll) best = { floor, nll };
  }
  return { ...gaussian, eigenvalues: eigenvalues.map((l) => Math.max(l, best.floor)) };
}

/** The mean squares of samples along a Gaussian's directions, about its mean. */
function variancesOf(gaussian: Gaussian, samples: Samples): Float64Array {
  const d = gaussian.mean.length, project = toCoordinates(gaussian, d), count = Math.min(JUDGES, samples.count);
  const evenly = Uint32Array.from({ length: count }, (_, k) => Math.floor(k * samples.count / count));
  const some = count === samples.count ? samples : selectRows(samples, evenly);
  const squares = new Float64Array(d), centred = new Float64Array(d);
  forEachBlock(some, (x) => {
    for (let row = 0; row < x.length; row += d) {
      for (let i = 0; i < d; i++) centred[i] = x[row + i] - gaussian.mean[i];
      project(centred);
      for (let k = 0; k < d; k++) squares[k] += centred[k] ** 2 / some.count;
    }
  });
  return squares;
}
