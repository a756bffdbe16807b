import { meanAndStderr } from "../diffusion/likelihood.ts";
import type { Engine } from "../engine/program.ts";
import type { Random } from "../random/random.ts";
import { canonicalMaps, type MappedSides } from "./canonical_maps.ts";
import { chooseCopula } from "./choose_copula.ts";
import { askable, type CopulaInformation, crossFitted, type FittedCopula, foldOf } from "./cross_fit.ts";
import { type CopulaColumns, CopulaFits, type CopulaFold, informationOf, type StudentMixture } from "./copula_fits.ts";
import { normalQuantile, ranksOf } from "./tied_values.ts";

/** Numbers that each side is mapped to at most. */
const MOST = 4;

/** Steps that tell how many numbers are worth it, and those of a map that is used. */
const STEPS = { trial: 400, whole: 1500 };

/** Components of the mixture of the maps' images at most: what is bent the maps have undone. */
const COMPONENTS = 8;

/** How often the rows of Y are shuffled to tell what a mixture's ratio sums up to. */
const SHUFFLES = 5;

/** An estimate by the columns' own ranks, with what {@linkcode excessRatio} is of each of its fits. */
export interface AskedInformation extends CopulaInformation {
  readonly excess: readonly number[];
}

/**
 * The information by maps of each side to a few numbers ({@linkcode canonicalMaps}) and a mixture of the ranks of their images,
 * where it tells rows that were left out more than the mixture of the columns' own ranks, by more than two standard errors.
 * Maps lose information and never add to it, so that of two estimates the larger is the better, unless a density is no
 * density: what E[exp i(x; y)] over shuffled rows exceeds one by is taken off before they are compared (the bound of
 * M. Donsker and S. Varadhan).
 *
 * @param order All rows, at random; the folds are those of `alone`.
 * @param alone The estimate by the columns' own ranks.
 * @param onFold Is given each of the fits of the images' ranks, to use before it returns.
 * @returns Nothing where the maps tell no more.
 */
export async function mappedInformation(
  engine: Engine,
  ranks: Uint32Array,
  columns: CopulaColumns,
  order: Uint32Array,
  alone: AskedInformation,
  random: Random,
  onFold: (fold: CopulaFold) => void,
  signal?: AbortSignal,
): Promise<CopulaInformation | undefined> {
  const sides = sidesOf(ranks, columns), aloneRows = informationOf(alone.perRow);
  const mapsOf = (fold: number, size: number, steps: number) => {
    const stream = random.split(`maps ${fold} ${size}`);
    return canonicalMaps(engine, sides, foldOf(order, fold).kept, size, steps, stream, signal);
  };
  const { left, kept } = foldOf(order, 0);
  /** By how much the maps tell the rows that are left out more than the columns' own ranks do. */
  const gainOf = (fitted: FittedCopula<StudentMixture>) => {
    const own = informationOf(fitted.fits.densities(left, fitted.model));
    const { mean, stderr } = meanAndStderr(own.map((value, i) => value - aloneRows[left[i]]));
    return {
      mean: mean - excessRatio(askable(fitted, left, kept), random) + alone.excess[0],
      stderr,
    };
  };

  // More numbers than the sides have in common are filled with functions of the others, which a mixture is worse at.
  const most = Math.min(columns.x, columns.y, MOST);
  const trial = await mapsOf(0, most, STEPS.trial);
  let best = { size: 1, mean: -Infinity };
  for (let size = 1; size <= most; size++) {
    using fits = new CopulaFits(engine, ranksOfMaps(trial, size, random), { x: size, z: 0, y: size }, signal);
    const model = await fits.fit(kept, Infinity, { k: 1, last: [], random });
    const gain = gainOf({ fits, model });
    if (size === 1 || gain.mean > best.mean + gain.stderr) best = { size, mean: gain.mean };
  }

  const { size } = best, opened: CopulaFits[] = [];
  const fitsOf = async (fold: number) => {
    const maps = await mapsOf(fold, size, STEPS.whole);
    const fits = new CopulaFits(engine, ranksOfMaps(maps, size, random), { x: size, z: 0, y: size }, signal);
    opened.push(fits);
    return fits;
  };
  try {
    const first = await fitsOf(0);
    const chosen = await chooseCopula(first, kept, random.split("components"), COMPONENTS);
    const { dof, components } = chosen.best;
    const start = { k: components.length, last: [], random: random.split("start") };
    const model = await first.fit(kept, dof, components);
    const gain = gainOf({ fits: first, model });
    if (gain.mean < 0) return undefined;
    const tried = [...alone.tried, ...chosen.tried];
    const excess: number[] = [];
    const information = await crossFitted(order, { dof, components: components.length }, tried, async (kept, fold) => {
      if (fold === 0) return { fits: first, model };
      const fits = await fitsOf(fold);
      return { fits, model: await fits.fit(kept, dof, start) };
    }, (fold) => {
      excess.push(excessRatio(fold, random));
      onFold(fold);
    });
    const more = meanAndStderr(informationOf(information.perRow).map((value, row) => value - aloneRows[row]));
    const less = meanAndStderr(excess.map((value, fold) => value - alone.excess[fold]));
    return more.mean - less.mean > 2 * more.stderr ? { ...information, maps: size } : undefined;
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
