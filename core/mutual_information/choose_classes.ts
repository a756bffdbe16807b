import { meanAndStderr } from "../diffusion/likelihood.ts";
import type { Random } from "../random/random.ts";
import { type ClassFits, type ClassModel, type ClassStart, shared } from "./class_fits.ts";
import { DOFS, type TriedCopula } from "./choose_copula.ts";
import { informationOf } from "./copula_fits.ts";

/** Components of a class that are tried, as long as they do better, and rows that each needs to be worth it. */
const COMPONENTS = [2, 4, 8, 16, 32], ROWS_EACH = 16;

/** Components of each class, of all classes together, that are tried where the classes share them. */
const MOST_SHARED = 512;

/** Pseudo-samples for each dimension that are tried, from the first on as long as they do better. */
const PSEUDO_SAMPLES = [0.4, 4, 40, 4000];

/** Rows that are left out of a fit, and those that are kept. */
export interface ClassFold {
  readonly left: Uint32Array;
  readonly kept: Uint32Array;
}

/** What was tried: its model of each fold, and what rows that were left out are told by it. */
interface Tried {
  readonly models: readonly ClassModel[];
  readonly told: Float64Array;
  readonly mean: number;
}

/**
 * The mixtures of classes by which rows that were left out have the smallest log loss, −log p(class | x): what is told of
 * them is a lower bound of the information, whatever the mixtures.
 *
 * @param folds Which judge.
 * @returns The chosen model of each fold.
 */
export async function chooseClasses(
  fits: ClassFits,
  folds: readonly ClassFold[],
  random: Random,
): Promise<{ readonly models: readonly ClassModel[]; readonly tried: readonly TriedCopula[] }> {
  const sizes = fits.byClass(folds[0].kept).map((rows) => rows.length), tried: TriedCopula[] = [];
  let best: Tried | undefined;
  const attempt = async (fit: (kept: Uint32Array, first: ClassModel | undefined) => Promise<ClassModel>) => {
    const models: ClassModel[] = [], told: number[] = [];
    for (const { left, kept } of folds) {
      const model = await fit(kept, models[0]);
      models.push(model);
      for (const value of informationOf(fits.densities(left, model))) told.push(value);
    }
    const made = { models, told: Float64Array.from(told), mean: meanAndStderr(told).mean };
    tried.push({ dof: models[0].dof, components: componentsOf(made), logLikelihood: made.mean });
    // More components or heavier tails that are better by chance alone would tell of structure where there is none.
    const gain = meanAndStderr(made.told.map((value, i) => value - (best?.told[i] ?? 0)));
    const isBetter = !best || gain.mean > (isMoreThan(made, best) ? gain.stderr : 0);
    if (Number.isFinite(made.mean) && isBetter) best = made;
    return made;
  };
  const plain = (start: ClassStart) => attempt((kept, first) => fits.fit(kept, first ?? start));
  /** With the scores of the mixtures' own margins. */
  const refined = (start: ClassStart) =>
    attempt(async (kept, first) => await fits.refined(kept, await fits.fit(kept, first ?? start)));

  const one = { pseudoSamples: PSEUDO_SAMPLES[0], counts: sizes.map(() => 1), last: undefined };
  const alone = new Map<number, Tried>();
  let before = -Infinity;
  for (const dof of DOFS) {
    const made = await plain({ ...one, dof, random: random.split(`1 ${dof}`) });
    if (!(made.mean > before)) break;
    alone.set(dof, made);
    before = made.mean;
  }
  const dofs = new Set([best?.models[0].dof ?? Infinity, Infinity]);
  for (const dof of dofs) if (alone.has(dof)) alone.set(dof, await refined(alone.get(dof)!.models[0]));
  if (!best) throw new RangeError("No mixture of the classes fits the ranks of the columns.");
  /** With shared components; whether that is better. */
  const together = async ({ models: [model], mean }: Tried) => {
    if (sizes.length * componentsOf({ models: [model] }) > MOST_SHARED) return false;
    return (await refined(shared(model))).mean > mean;
  };
  const sharing = new Map<number, boolean>();
  for (const dof of dofs) if (alone.has(dof)) sharing.set(dof, await together(alone.get(dof)!));
  const drawn = async () => {
    for (const pseudoSamples of PSEUDO_SAMPLES.slice(1)) {
      const last = best!;
      await plain({ ...last.models[0], pseudoSamples });
      if (best === last) break;
    }
  };
  await drawn();
  for (const dof of new Set([best.models[0].dof, Infinity])) {
    let last = alone.get(dof)!, reached = -Infinity;
    for (const k of COMPONENTS) {
      const counts = sizes.map((size) => Math.max(1, Math.min(k, Math.floor(size / ROWS_EACH))));
      if (counts.every((count) => count < k)) break;
      const start = { ...one, dof, counts, last: last.models[0], random: random.split(`${k} ${dof}`) };
      const made = await refined(start);
      if (!(made.mean > reached)) break;
      reached = made.mean;
      last = made;
      if (sharing.get(dof)) sharing.set(dof, await together(made));
    }
  }
  if (componentsOf(best) > sizes.length) await drawn();
  return { models: best.models, tried };
}

function componentsOf({ models: [{ classes, shared }] }: Pick<Tried, "models">): number {
  return shared ? classes[0].length : classes.reduce((sum, { length }) => sum + length, 0);
}

function isMoreThan(a: Tried, b: Tried): boolean {
  return componentsOf(a) > componentsOf(b) || a.models[0].dof < b.models[0].dof;
}
