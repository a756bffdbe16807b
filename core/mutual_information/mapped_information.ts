import { meanAndStderr } from "../diffusion/likelihood.ts";
import { createEngine, type Engine } from "../engine/mod.ts";
import type { Random } from "../random/random.ts";
import { canonicalMaps } from "./canonical_maps.ts";
import type { MappedSides } from "./canonical_variates.ts";
import { chooseCopula } from "./choose_copula.ts";
import { askable, type CopulaInformation, crossFitted, type FittedCopula, foldOf } from "./cross_fit.ts";
import { DivergedMaps } from "./gaussian_gradient.ts";
import { type CopulaColumns, CopulaFits, type CopulaFold, informationOf, type StudentMixture } from "./copula_fits.ts";
import { normalQuantile } from "../random/normal_quantile.ts";
import { ranksOf } from "./tied_values.ts";

/** Numbers that each side is mapped to at most. */
const MOST = 4;

/** Steps that tell how many numbers are worth it, and those of a map that is used. */
const STEPS = { trial: 400, whole: 1500 };

/** Components of the mixture of the maps' images at most: what is bent the maps have undone. */
const COMPONENTS = 8;

/** How often the rows of Y are shuffled to tell what a mixture's ratio sums up to. */
const SHUFFLES = 5;

/**
 * The information by maps of each side to a few numbers ({@linkcode canonicalMaps}) and a mixture of the ranks of their images,
 * where it is more than that by the mixture of the columns' own ranks, by two standard errors of the rows' difference.
 * Maps lose information and never add to it, so that of two estimates the larger is the better, unless a density is no
 * density: what E[exp i(x; y)] over shuffled rows exceeds one by is taken off before they are compared (the bound of
 * M. Donsker and S. Varadhan).
 *
 * @returns Nothing where the maps tell no more.
 */
export async function mappedInformation(request: MappedRequest): Promise<CopulaInformation | undefined> {
  // Steps this small take longer on several threads than on one.
  const engine = await createEngine(LEARNING, 1);
  try {
    return await informationOfMaps(request, engine);
  } catch (error) {
    if (error instanceof DivergedMaps) return undefined;
    throw error;
  } finally {
    await engine.dispose();
  }
}

/** What learns the maps: the same numbers on every machine, whatever else is asked for. */
const LEARNING = "onnx-cpu";

/** What maps are learned of, and what they are compared with. */
export interface MappedRequest {
  readonly engine: Engine;
  /** From 0 of each column, `[rows, columns]`. */
  readonly ranks: Uint32Array;
  readonly columns: CopulaColumns;
  /** All rows, at random; the folds are those of `alone`. */
  readonly order: Uint32Array;
  /** The estimate by the columns' own ranks. */
  readonly alone: CopulaInformation;
  /** What {@linkcode excessRatio} is of each of its fits. */
  readonly excess: readonly number[];
  readonly random: Random;
  /** Is given each of the fits of the images' ranks, to use before it returns. */
  readonly onFold: (fold: CopulaFold) => void;
  readonly signal: AbortSignal | undefined;
}

async function informationOfMaps(request: MappedRequest, learning: Engine): Promise<CopulaInformation | undefined> {
  const { engine, columns, order, alone, random, onFold, signal } = request;
  const sides = sidesOf(request.ranks, columns), aloneRows = informationOf(alone.perRow);
  const { left, kept } = foldOf(order, 0);
  const mapsOf = (fold: number, size: number, steps: number) => {
    const stream = random.split(`maps ${fold} ${size}`);
    return canonicalMaps(learning, sides, foldOf(order, fold).kept, size, steps, stream, signal);
  };
  const fitsOf = (maps: MappedSides, size: number) =>
    new CopulaFits(engine, ranksOfMaps(maps, size, random), { x: size, z: 0, y: size }, signal);
  /** By how much maps tell the rows that are left out more than the columns' own ranks do. */
  const gainOf = (fitted: FittedCopula<StudentMixture>) => {
    const own = informationOf(fitted.fits.densities(left, fitted.model));
    const { mean, stderr } = meanAndStderr(own.map((value, i) => value - aloneRows[left[i]]));
    return { mean: mean - excessRatio(askable(fitted, left, kept), random) + request.excess[0], stderr };
  };

  let size = 1;
  const most = Math.min(columns.x, columns.y, MOST);
  if (most > 1) {
    // More numbers than the sides have in common are filled with functions of the others, which a mixture is worse at.
    const trial = await mapsOf(0, most, STEPS.trial);
    let best = -Infinity;
    for (let tried = 1; tried <= most; tried++) {
      using fits = fitsOf(trial, tried);
      const gain = gainOf({ fits, model: await fits.fit(kept, Infinity, { k: 1, last: [], random }) });
      if (tried > 1 && gain.mean < best + gain.stderr) continue;
      best = gain.mean;
      size = tried;
    }
  }
  using first = fitsOf(await mapsOf(0, size, STEPS.whole), size);
  const chosen = await chooseCopula(first, kept, random.split("components"), COMPONENTS);
  const { dof, components } = chosen.best, start = { k: components.length, last: [], random: random.split("start") };
  const model = await first.fit(kept, dof, components);
  const gain = gainOf({ fits: first, model }),
    keptRows = meanAndStderr(Float64Array.from(kept, (row) => aloneRows[row])).mean;
  // Of an estimate, the mean of fitted and other rows, both count; what the rows of this fold are by chance is taken off.
  const fitted = meanAndStderr(informationOf(first.densities(kept, model))).mean - keptRows;
  const corrected = (gain.mean + fitted - (alone.fitted - alone.heldOut)) / 2;
  // What all folds together show by two standard errors one of five shows by about one.
  if (corrected < gain.stderr) return undefined;

  const excess: number[] = [], opened: CopulaFits[] = [];
  const fit = async (kept: Uint32Array, fold: number): Promise<FittedCopula<StudentMixture>> => {
    if (fold === 0) return { fits: first, model };
    const fits = fitsOf(await mapsOf(fold, size, STEPS.whole), size);
    opened.push(fits);
    return { fits, model: await fits.fit(kept, dof, start) };
  };
  /** By how much maps of all rows tell more than maps of half of them: about what still more rows would add. */
  const learnable = async () => {
    const half = kept.subarray(0, kept.length >> 1);
    using fits = fitsOf(
      await canonicalMaps(learning, sides, half, size, STEPS.whole, random.split("half"), signal),
      size,
    );
    const told = informationOf(fits.densities(left, await fits.fit(half, dof, start)));
    const all = informationOf(first.densities(left, model));
    return meanAndStderr(all.map((value, i) => value - told[i])).mean;
  };
  try {
    const tried = [...alone.tried, ...chosen.tried];
    const information = await crossFitted(
      order,
      { ...chosen, dof, components: components.length, tried },
      fit,
      (fold) => {
        excess.push(excessRatio(fold, random));
        onFold(fold);
      },
    );
    const { stderr } = meanAndStderr(informationOf(information.perRow).map((value, row) => value - aloneRows[row]));
    const less = meanAndStderr(excess.map((value, fold) => value - request.excess[fold]));
    if (information.nats - alone.nats - less.mean < 2 * stderr) return undefined;
    // Of half of the rows the maps may not be learned at all, which says nothing of twice as many.
    const unlearned = Math.max(0, Math.min(await learnable(), information.fitted - information.heldOut));
    return { ...information, stderr: Math.hypot(information.stderr, unlearned), maps: size };
  } finally {
    for (const fits of opened) fits[Symbol.dispose]();
  }
}

/**
 * By how much log E[exp i(x; y)] of rows whose Y is another row's exceeds that of densities, 0. What falls below counts for
 * nothing, since a mean of too few rows of a heavy tail does.
 */
export function excessRatio({ left, ofPairs }: CopulaFold, random: Random): number {
  let sum = 0;
  for (let k = 0; k < SHUFFLES; k++) {
    const ratios = ofPairs(left, random.split(`shuffle ${k}`).permutation(left.length).map((i) => left[i]));
    sum += meanAndStderr(ratios.map(Math.exp)).mean / SHUFFLES;
  }
  return Math.max(0, Math.log(sum));
}

/** The normal scores of both sides. */
function sidesOf(ranks: Uint32Array, columns: CopulaColumns) {
  const d = columns.x + columns.y, n = ranks.length / d;
  const table = Float32Array.from({ length: n }, (_, k) => normalQuantile((k + 0.5) / n));
  const part = (begin: number, width: number) =>
    Float32Array.from({ length: n * width }, (_, at) => table[ranks[Math.floor(at / width) * d + begin + at % width]]);
  return { x: part(0, columns.x), y: part(columns.x, columns.y), columns };
}

/** The ranks of the first numbers that each side is mapped to. */
function ranksOfMaps({ size, x, y }: MappedSides, first: number, random: Random): Uint32Array {
  const n = x.length / size, ranks = new Uint32Array(2 * first * n);
  [x, y].forEach((values, side) => {
    for (let k = 0; k < first; k++) {
      const own = Float64Array.from({ length: n }, (_, i) => values[i * size + k]);
      ranksOf(own, random.split(`${side} ${k}`)).forEach((rank, i) => ranks[i * 2 * first + side * first + k] = rank);
    }
  });
  return ranks;
}
