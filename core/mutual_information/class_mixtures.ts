import type { Engine } from "../engine/program.ts";
import type { Random } from "../random/random.ts";
import { chooseClasses } from "./choose_classes.ts";
import { ClassFits } from "./class_fits.ts";
import type { CopulaFold } from "./copula_fits.ts";
import { type CopulaInformation, crossFitted, foldOf, FOLDS } from "./cross_fit.ts";

/** Rows that a value of a label needs for a mixture of its own. */
const LEAST_ROWS = 10;

/** Rows that the mixtures are chosen by: of few rows all, each by fits without it. */
const JUDGES = 10_000;

/**
 * The information of columns and a label, I(X; C) = E[log p(x | c) − log p(x)] with p(x) = Σ P(c)·p(x | c), and I(X; C | Z)
 * = E[log p(x, z | c) − log p(x, z) − log p(z | c) + log p(z)], by a mixture for each class.
 *
 * @param ranks Of the columns of X and Z, `[rows, columns]`.
 * @param classes The class of each row; see {@linkcode classesOfLabel}.
 * @param onFold Is given each of the fits that leave out a part, with the label as y, to use before it returns.
 */
export async function informationByClass(
  engine: Engine,
  ranks: Uint32Array,
  columns: { readonly x: number; readonly z: number },
  classes: Uint32Array,
  random: Random,
  signal?: AbortSignal,
  onFold: (fold: CopulaFold) => void = () => {},
): Promise<CopulaInformation> {
  using fits = new ClassFits(engine, ranks, columns, classes, signal);
  // One class after another, so that each fold has its part of each.
  const order = random.split("order").permutation(fits.rows).sort((a, b) => classes[a] - classes[b]);
  const judging = Math.max(1, Math.min(FOLDS, Math.round(JUDGES / order.length)));
  const folds = Array.from({ length: judging }, (_, fold) => foldOf(order, fold));
  const { models, tried } = await chooseClasses(fits, folds, random.split("components"));
  const [{ dof, shared, classes: { length }, classes: all }] = models;
  const kind = {
    dof,
    components: (shared ? all[0] : all.flat()).length,
    classes: length,
    shared,
    resolution: 0,
    tried,
  };
  const fit = async (kept: Uint32Array, fold: number) =>
    await fits.final(kept, models[fold] ?? await fits.fit(kept, models[0]));
  return await crossFitted(order, kind, async (kept, fold) => ({ fits, model: await fit(kept, fold) }), onFold);
}

/**
 * The class of each row: its level, and of levels with few rows one that they share, with the smallest other one where it
 * would be small itself.
 *
 * @returns Nothing where less than two are left.
 */
export function classesOfLabel(
  { levels, counts }: { readonly levels: Uint32Array; readonly counts: readonly number[] },
) {
  const ascending = counts.map((_, level) => level).sort((a, b) => counts[a] - counts[b]);
  let rest = 0, shared = 0;
  while (shared < ascending.length && (counts[ascending[shared]] < LEAST_ROWS || rest > 0 && rest < LEAST_ROWS)) {
    rest += counts[ascending[shared++]];
  }
  const places = new Uint32Array(counts.length);
  ascending.forEach((level, i) => places[level] = Math.max(0, shared > 0 ? i - shared + 1 : i));
  return counts.length - Math.max(0, shared - 1) < 2 ? undefined : levels.map((level) => places[level]);
}
