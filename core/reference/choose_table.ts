import { floatSamples, type Samples, selectRows, toFloat32 } from "../data/samples.ts";
import type { Random } from "../random/random.ts";
import { type AtomBlock, sizeOfAtoms } from "./atoms.ts";
import { axisFloor } from "./choose_mixture.ts";
import { someSamples } from "./fit_mixture.ts";
import {
  fitTable,
  levelShares,
  mixtureOfTable,
  startingTable,
  type TableFit,
  type TableRows,
  tableRows,
} from "./fit_table.ts";
import type { GaussianMixture } from "./mixture.ts";
import { tableNll } from "./table_mixture.ts";

/** Numbers of components that are tried, in this order, and how long without a better one. */
const COMPONENTS = [1, 2, 4, 8, 16, 32, 64, 128];
const PATIENCE = 4;

/** Rows that a component needs to be worth trying. */
const LEAST_ROWS = 12;

/** Pseudo-samples per dimension for the covariances, of which the first to be tried is the second. */
const PSEUDO_SAMPLES = [0.05, 0.4, 2, 6, 20];
const FIRST = 1;

/** Pseudo-rows for the levels: more than none, so that no level is impossible, and which is the first to be tried. */
const PSEUDO_ROWS = [0.02, 0.1, 0.5, 2, 6];
const FIRST_ROWS = 2;

/** Fewer training rows than these choose by parts of them that are left out in turn, more by the validation rows. */
const FEW = 2000, PARTS = 5;

/** Rows that a choice is made by, and that the last fit is of, at most. */
const CHOICE_ROWS = 8000, JUDGES = 4000, FINAL_ROWS = 20_000;

/** Starts with each number of components, and their steps. */
const STARTS = 3, START_STEPS = 5;
const LIMITS = { steps: 40, tolerance: 4e-4 }, REFINED = { steps: 8, tolerance: 4e-4 };
const FINAL_LIMITS = { steps: 150, tolerance: 1e-4 };

/** The places of the pseudo-samples and of the pseudo-rows among those that are tried. */
interface Strength {
  readonly samples: number;
  readonly rows: number;
}

/** A fit of each fold, and with which prior. */
interface Tried {
  readonly fits: readonly (TableFit | undefined)[];
  readonly strength: Strength;
}

/**
 * Fits of few components that are taken together, each from starts of its own: what one has by chance the others have not,
 * and their mean is likelier than they are in the mean.
 */
const MEMBERS = 3, MOST_TOGETHER = 48;

/** Fits whose mean log likelihoods differ by less, in nats, have come to the same. */
const ALIKE = 1e-3;

/** Rows to fit to, and others to judge by. */
interface Fold {
  readonly samples: Samples;
  readonly rows: TableRows;
  readonly shares: Float64Array;
  readonly judges: Samples;
}

/**
 * Fits mixtures of numbers and levels to rows of a table, whose values may be unknown, and takes the number of components and
 * the strength of the prior under which other rows are the most likely.
 *
 * @param blocks The values of few levels, whose coordinates are the last.
 * @param gaps Which values may be unknown.
 * @param components If their number is asked for.
 */
export function chooseTable(
  train: Samples,
  validation: Samples,
  blocks: readonly AtomBlock[],
  gaps: readonly number[] | undefined,
  random: Random,
  { components: asked, signal }: {
    readonly components?: number | undefined;
    readonly signal?: AbortSignal | undefined;
  } = {},
): GaussianMixture {
  const n = train.dimension - sizeOfAtoms(blocks);
  const folds = foldsOf(train, validation, blocks, random.split("folds"));
  const floor = floorOf(folds[0].samples, n);
  const priorOf = ({ samples, rows }: Strength) => ({
    pseudoSamples: PSEUDO_SAMPLES[samples],
    pseudoRows: PSEUDO_ROWS[rows],
    floor,
  });
  const judged = (fits: readonly (TableFit | undefined)[]) =>
    fits.reduce((sum, fit, f) => {
      if (!fit) return Infinity;
      const nll = tableNll(folds[f].judges, mixtureOfTable(fit, blocks));
      return sum + nll.reduce((all, value) => all + value, 0) / nll.length / folds.length;
    }, 0);
  let best: { readonly k: number; readonly strength: Strength; readonly nll: number } | undefined;
  const consider = (k: number, strength: Strength, nll: number) => {
    const isBetter = Number.isFinite(nll) && !(best && nll >= best.nll);
    if (isBetter) best = { k, strength, nll };
    return isBetter;
  };
  const begun = (fold: Fold, k: number, strength: Strength, stream: Random) => {
    const prior = priorOf(strength);
    const fits = Array.from({ length: k === 1 ? 1 : STARTS }, (_, s) => {
      const start = startingTable(fold.samples, fold.rows, k, prior, fold.shares, stream.split(s));
      return fitTable(fold.rows, start, prior, fold.shares, { steps: START_STEPS, tolerance: 0 }, signal);
    }).filter((fit) => fit !== undefined);
    if (fits.length === 0) return undefined;
    const first = fits.reduce((a, b) => b.logLikelihood > a.logLikelihood ? b : a);
    return fitTable(fold.rows, first, prior, fold.shares, LIMITS, signal);
  };
  const tryComponents = (k: number) => {
    const from = best?.strength ?? { samples: FIRST, rows: FIRST_ROWS }, stream = random.split("components").split(k);
    let of: Tried = { fits: folds.map((fold, f) => begun(fold, k, from, stream.split(f))), strength: from };
    let least = judged(of.fits);
    consider(k, from, least);
    // One component has nothing to be drawn to but itself.
    if (k === 1) return;
    for (const [name, { length }] of [["samples", PSEUDO_SAMPLES], ["rows", PSEUDO_ROWS]] as const) {
      if (name === "rows" && blocks.length === 0) continue;
      const begin = of;
      for (const direction of [-1, 1]) {
        let fits = begin.fits;
        for (let place = begin.strength[name] + direction; place >= 0 && place < length; place += direction) {
          const strength = { ...begin.strength, [name]: place };
          fits = folds.map(({ rows, shares }, f) => {
            const fit = fits[f];
            return fit && fitTable(rows, fit, priorOf(strength), shares, REFINED, signal);
          });
          const nll = judged(fits);
          consider(k, strength, nll);
          if (!(nll < least)) break;
          [least, of] = [nll, { fits, strength }];
        }
      }
    }
  };
  for (const k of asked === undefined ? COMPONENTS : [asked]) {
    if (best && (k >= PATIENCE * best.k || k * LEAST_ROWS > folds[0].rows.count)) break;
    tryComponents(k);
  }
  if (best && best.k > 2 && asked === undefined && train.count < FEW) {
    for (const k of [0.75 * best.k, 1.5 * best.k]) tryComponents(k);
  }
  if (!best) throw new RangeError("No mixture fits the table: its values are not finite.");
  const all = foldOf(someSamples(train, FINAL_ROWS, random.split("final")), validation, blocks);
  const isOne = asked !== undefined || best.k === 1;
  const members = isOne ? 1 : Math.max(1, Math.min(MEMBERS, Math.floor(MOST_TOGETHER / best.k)));
  const fits: (TableFit & { readonly logLikelihood: number })[] = [];
  for (let member = 0; member < members; member++) {
    const start = begun(all, best.k, best.strength, random.split("last").split(member));
    const fit = start && fitTable(all.rows, start, priorOf(best.strength), all.shares, FINAL_LIMITS, signal);
    if (fit && !fits.some((other) => Math.abs(other.logLikelihood - fit.logLikelihood) < ALIKE)) fits.push(fit);
  }
  if (fits.length === 0) throw new RangeError("No mixture fits the table: its covariances are not proper.");
  return mixtureOfTable(together(fits), blocks, gaps);
}

/** Fits to the same rows as one, in which each counts the same. */
function together(fits: readonly TableFit[]): TableFit {
  return {
    components: fits.flatMap(({ components }) => components),
    logits: Float64Array.from(fits.flatMap(({ logits }) => [...logits])),
  };
}

function foldsOf(train: Samples, validation: Samples, blocks: readonly AtomBlock[], random: Random): Fold[] {
  if (train.count >= FEW) {
    const some = someSamples(train, CHOICE_ROWS, random.split("choice"));
    return [foldOf(some, someSamples(validation, JUDGES, random.split("judges")), blocks)];
  }
  const order = random.permutation(train.count), parts = Math.min(PARTS, train.count);
  return Array.from({ length: parts }, (_, part) => {
    const own = (isOut: boolean) => selectRows(train, order.filter((_, i) => (i % parts === part) === isOut).sort());
    return foldOf(own(false), own(true), blocks);
  });
}

function foldOf(samples: Samples, judges: Samples, blocks: readonly AtomBlock[]): Fold {
  const rows = tableRows(samples, blocks);
  return { samples: filledWithMeans(samples), rows, shares: levelShares(rows), judges };
}

/** Samples with the mean of what is known for what is not, in memory. */
function filledWithMeans(samples: Samples): Samples {
  const { gaps, dimension: d, count } = samples;
  if (!gaps) return samples;
  const x = toFloat32(samples), flags = toFloat32(gaps);
  for (let j = 0; j < d; j++) {
    let sum = 0, known = 0;
    for (let at = j; at < x.length; at += d) {
      if (flags[at] === 1) continue;
      sum += x[at];
      known++;
    }
    for (let row = 0, at = j; row < count; row++, at += d) if (flags[at] === 1) x[at] = sum / Math.max(1, known);
  }
  return { ...floatSamples(x, d), gaps };
}

/** Values of an axis that its floor is found by. */
const AXIS_ROWS = 4096;

/** The most that is added to a number's variance, of that of all rows. */
const MOST_FLOOR = 0.01;

/** What the variance of each number is at least. */
function floorOf(samples: Samples, n: number): Float64Array {
  const { dimension: d, gaps } = samples, count = Math.min(samples.count, AXIS_ROWS);
  const x = toFloat32(samples, 0, count), flags = gaps && toFloat32(gaps, 0, count);
  return Float64Array.from({ length: n }, (_, j) => {
    const values: number[] = [];
    for (let row = 0; row < count; row++) if (flags?.[row * d + j] !== 1) values.push(x[row * d + j]);
    const mean = values.reduce((sum, value) => sum + value / values.length, 0);
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2 / values.length, 0);
    // Of few values the gaps are as large as the spread.
    return Math.min(axisFloor(Float64Array.from(values)), Math.max(MOST_FLOOR * variance, 1e-12));
  });
}
