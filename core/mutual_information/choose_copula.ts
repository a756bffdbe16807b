import { meanAndStderr } from "../diffusion/likelihood.ts";
import type { Random } from "../random/random.ts";
import type { Component } from "../reference/expectation.ts";
import { type CopulaFits, informationOf, type StudentMixture } from "./copula_fits.ts";

/** Degrees of freedom that are tried: the normal distribution's first. */
export const DOFS = [Infinity, 10, 5, 3, 2, 1];

/** Numbers of components that are tried, as long as they do better. */
const COMPONENTS = [2, 4, 8, 16, 32, 64];

/** Degrees of freedom from which several components are tried as Gaussians alone. */
const LIGHT = 10;

/** How many times the last doubling's gain further ones may bring together. */
const DOUBLINGS = 4;

/** Samples for each parameter of a component that make it worth trying. */
const SAMPLES_PER_PARAMETER = 0.5;

/** The rows that judge what is tried, as a part of all. */
const JUDGES = 0.2;

/** A mixture that was tried, and the mean log density of the copula on the rows that judge it. */
export interface TriedCopula {
  readonly dof: number;
  readonly components: number;
  readonly logLikelihood: number;
}

/** The mixture that is chosen. */
export interface ChosenCopula {
  readonly best: StudentMixture;
  readonly tried: readonly TriedCopula[];
  /**
   * By how much the judges' information is more, or less, by it than by half of its components, in nats: about what twice as
   * many would change, if there were rows for them. 0 for one component.
   */
  readonly resolution: number;
}

/**
 * The mixture under which rows that are left out are the likeliest.
 *
 * @param order Rows, at random.
 * @param most Components that are tried at most.
 */
export async function chooseCopula(
  fits: CopulaFits,
  order: Uint32Array,
  random: Random,
  most = Infinity,
): Promise<ChosenCopula> {
  const judges = order.slice(0, Math.round(JUDGES * order.length)), others = order.slice(judges.length);
  const tried: TriedCopula[] = [];
  let best: StudentMixture & { judged: Float64Array; logLikelihood: number; resolution: number } | undefined;
  /** @param before The judges' mean information by the components that it begins with. */
  const attempt = async (dof: number, k: number, last: readonly Component[], before?: number) => {
    const model = await fits.fit(others, dof, { k, last, random: random.split(k) });
    const { components } = model;
    if (components.length === 0) return undefined;
    const densities = fits.densities(judges, model), { joint: judged } = densities;
    const logLikelihood = meanAndStderr(judged).mean, information = meanAndStderr(informationOf(densities)).mean;
    tried.push({ dof, components: components.length, logLikelihood });
    // More components that are better by chance alone would tell of structure where there is none.
    const gain = meanAndStderr(judged.map((log, i) => log - (best?.judged[i] ?? 0)));
    const isBetter = !best || gain.mean > (components.length > best.components.length ? gain.stderr : 0);
    if (Number.isFinite(logLikelihood) && isBetter) {
      best = { ...model, judged, logLikelihood, resolution: Math.abs(information - (before ?? information)) };
    }
    return { components, logLikelihood, information };
  };

  const alone = new Map<number, { readonly components: readonly Component[]; readonly information: number }>();
  let before = -Infinity;
  // Of one component the likelihood has one maximum over the degrees of freedom.
  for (const dof of DOFS) {
    const made = await attempt(dof, 1, []);
    if (!made || made.logLikelihood < before) break;
    alone.set(dof, made);
    before = made.logLikelihood;
  }
  // Heavy tails of one component may be those of several Gaussians, and light ones are.
  const tails = best?.dof ?? Infinity;
  for (const dof of new Set(tails >= LIGHT ? [Infinity] : [tails, Infinity])) {
    let last = alone.get(dof), reached = -Infinity;
    for (const k of COMPONENTS) {
      if (k > most || k * fits.d ** 2 > SAMPLES_PER_PARAMETER * order.length) break;
      const made = await attempt(dof, k, last?.components ?? [], last?.information);
      if (!made || made.logLikelihood < reached) break;
      // What doubling brings falls, so that what is far behind stays there.
      if (made.logLikelihood + DOUBLINGS * (made.logLikelihood - reached) < best!.logLikelihood) break;
      reached = made.logLikelihood;
      last = made;
    }
  }
  if (!best) throw new RangeError("No mixture fits the ranks of the columns.");
  return { best, tried, resolution: best.resolution };
}
