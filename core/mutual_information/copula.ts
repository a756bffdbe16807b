import { meanAndStderr } from "../diffusion/likelihood.ts";
import type { Engine } from "../engine/program.ts";
import type { Random } from "../random/random.ts";
import { type Component, ExpectationStep, logNormaliser } from "../reference/expectation.ts";
import { bestStart, variancesFloor } from "../reference/choose_mixture.ts";
import { fitMixture } from "../reference/fit_mixture.ts";
import { cholesky } from "../reference/cholesky.ts";
import { floatSamples, type Samples, selectRows } from "../data/samples.ts";
import { columnConditionals, marginalCovariance } from "./column_conditionals.ts";
import { logStudentDensity, rankQuantiles } from "./student.ts";

/** Degrees of freedom that are tried: the normal distribution's first. */
const DOFS = [Infinity, 10, 5, 3, 2, 1];

/** Numbers of components that are tried, as long as they do better. */
const COMPONENTS = [2, 4, 8, 16, 32, 64];

/** Samples for each parameter of a component that make it worth trying. */
const SAMPLES_PER_PARAMETER = 0.5;

/** Pseudo-samples for each dimension that draw a component's covariance to that of all. */
const PSEUDO_SAMPLES = 0.4;

const LIMITS = { steps: 60, tolerance: 2e-4 };

/** Parts of the rows of which each is left out once. */
const FOLDS = 5;

/** The rows that judge what is tried, as a part of all. */
const JUDGES = 0.2;

/** A mixture that was tried, and the mean log density of the copula on the rows that judge it. */
export interface TriedCopula {
  readonly dof: number;
  readonly components: number;
  readonly logLikelihood: number;
}

/** Log densities of copulas at rows, in nats: of all columns, of those of X and Z, of Y and Z, and of Z alone. */
export interface CopulaDensities {
  readonly joint: Float64Array;
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly z: Float64Array;
}

/** How many columns are X's, Z's and Y's, which follow one another in this order; Z may have none. */
export interface CopulaColumns {
  readonly x: number;
  readonly z: number;
  readonly y: number;
}

/** I(X; Y | Z) by a mixture for the copula of all columns. */
export interface CopulaInformation {
  /** In nats. */
  readonly nats: number;
  readonly stderr: number;
  /** Of rows that the mixture was not fitted to, each once, and of those that it was. */
  readonly heldOut: number;
  readonly fitted: number;
  /** Of each row by the mixture that was not fitted to it. */
  readonly perRow: CopulaDensities;
  readonly dof: number;
  readonly components: number;
  readonly tried: readonly TriedCopula[];
}

/** One of the fits that leave out a part of the rows, to be asked for more than the densities of its rows. */
export interface CopulaFold {
  /** The rows that it was not fitted to, and those that it was. */
  readonly left: Uint32Array;
  readonly kept: Uint32Array;
  /** log p(x, y, z) + log p(z) − log p(x, z) − log p(y, z) of the x and z of some rows, each with the y of another. */
  ofPairs(x: Uint32Array, y: Uint32Array): Float64Array;
  /** What each column of X and of Y adds to that of some rows: log p(column | all others) − log p(column | its side and z). */
  ofColumns(rows: Uint32Array): { readonly x: readonly Float64Array[]; readonly y: readonly Float64Array[] };
}

/**
 * The information of columns by their copula, which is all that it depends on: I(X; Y) = E[log p(x, y) − log p(x) − log p(y)]
 * and, given Z, I(X; Y | Z) = E[log p(x, y, z) + log p(z) − log p(x, z) − log p(y, z)]. Each column becomes the scores of its
 * ranks, quantiles of a Student distribution; all together are a mixture of full Student distributions with as many degrees
 * of freedom, whose parts p(x) and p(y) are mixtures of the same kind. Degrees of freedom and components are those under which
 * rows that were left out are the most likely. One component with the right degrees of freedom is exact for any columns
 * that are monotone functions of jointly Gaussian or jointly Student ones.
 *
 * A mixture of fitted parameters is too sure of the rows that it was fitted to by what it is too unsure of others
 * (H. Akaike, 1973), so that the estimate is the mean of both, by five fits that leave out a fifth each.
 *
 * @param ranks From 0 of each column, `[rows, columns]`.
 * @param onFold Is given each of these fits, to use before it returns.
 */
export async function copulaInformation(
  engine: Engine,
  ranks: Uint32Array,
  columns: CopulaColumns,
  random: Random,
  signal?: AbortSignal,
  onFold?: (fold: CopulaFold) => void,
): Promise<CopulaInformation> {
  using fits = new CopulaFits(engine, ranks, columns, signal);
  const order = random.split("order").permutation(fits.rows);
  const { best, tried } = await chooseMixture(fits, order, random.split("components"));
  const { perRow, fitted } = await crossFitted(fits, order, best, onFold);
  const { mean: heldOut, stderr } = meanAndStderr(informationOf(perRow));
  return {
    nats: (heldOut + fitted) / 2,
    stderr: Math.hypot(stderr, (fitted - heldOut) / 4),
    ...{ heldOut, fitted, perRow, dof: best.dof, components: best.components.length, tried },
  };
}

/** Fits of mixtures to the scores of columns, for any degrees of freedom. */
class CopulaFits implements Disposable {
  readonly d: number;
  readonly rows: number;
  readonly #steps = new Map<number, ExpectationStep>();
  readonly #scores = new Map<number, Scores>();

  constructor(
    readonly engine: Engine,
    readonly ranks: Uint32Array,
    readonly columns: CopulaColumns,
    readonly signal: AbortSignal | undefined,
  ) {
    this.d = columns.x + columns.z + columns.y;
    this.rows = ranks.length / this.d;
  }

  /**
   * Fits a mixture to some rows.
   *
   * @param start Where it begins, or how to find that.
   */
  async fit(rows: Uint32Array, dof: number, start: StudentMixture["components"] | Start): Promise<StudentMixture> {
    const step = this.#step(dof), train = selectRows(this.#scoresOf(dof).samples, rows);
    const prior = { pseudoSamples: PSEUDO_SAMPLES, floor: variancesFloor(train) };
    const components = "k" in start
      ? await bestStart(step, train, start.k, start.last, prior, start.random, this.signal)
      : start;
    if (components.length === 0) return { components, dof };
    return { components: (await fitMixture(step, train, components, prior, LIMITS, this.signal)).components, dof };
  }

  /** The log densities of some rows. */
  densities(rows: Uint32Array, model: StudentMixture): CopulaDensities {
    return densitiesAt(this.#scoresOf(model.dof), rows, this.columns, model);
  }

  /** See {@linkcode CopulaFold}. */
  ofPairs(x: Uint32Array, y: Uint32Array, model: StudentMixture): Float64Array {
    const { values, logMargins } = this.#scoresOf(model.dof), { d } = this, own = this.columns.x + this.columns.z;
    const of = (from: Float64Array) =>
      Float64Array.from({ length: x.length * d }, (_, at) => {
        const row = Math.floor(at / d), k = at % d;
        return from[(k < own ? x : y)[row] * d + k];
      });
    const pairs = { d, values: of(values), logMargins: of(logMargins) };
    return informationOf(densitiesAt(pairs, x.map((_, i) => i), this.columns, model));
  }

  /** See {@linkcode CopulaFold}. */
  ofColumns(rows: Uint32Array, model: StudentMixture): ReturnType<CopulaFold["ofColumns"]> {
    const { values } = this.#scoresOf(model.dof), { d } = this, { x, z } = this.columns;
    const given = (begin: number, end: number) => columnConditionals(values, d, rows, model, begin, end);
    const all = given(0, d), xz = given(0, x + z), yz = given(x, d);
    const added = (own: readonly Float64Array[], first: number, begin: number, end: number) =>
      all.slice(begin, end).map((logs, k) => logs.map((log, row) => log - own[begin - first + k][row]));
    return { x: added(xz, 0, 0, x), y: added(yz, x, x + z, d) };
  }

  #step(dof: number): ExpectationStep {
    const known = this.#steps.get(dof) ?? new ExpectationStep(this.engine, { dof });
    this.#steps.set(dof, known);
    return known;
  }

  #scoresOf(dof: number): Scores {
    const known = this.#scores.get(dof) ?? scoresFor(this.ranks, this.d, dof);
    this.#scores.set(dof, known);
    return known;
  }

  [Symbol.dispose](): void {
    for (const step of this.#steps.values()) step.dispose();
  }
}

/** A number of components, and those of half as many that they may begin with. */
interface Start {
  readonly k: number;
  readonly last: readonly Component[];
  readonly random: Random;
}

/** The mixture under which rows that are left out are the likeliest. */
async function chooseMixture(
  fits: CopulaFits,
  order: Uint32Array,
  random: Random,
): Promise<{ readonly best: StudentMixture; readonly tried: readonly TriedCopula[] }> {
  const judges = order.slice(0, Math.round(JUDGES * fits.rows)), others = order.slice(judges.length);
  const tried: TriedCopula[] = [];
  let best: (StudentMixture & { readonly judged: Float64Array }) | undefined;
  const attempt = async (dof: number, k: number, last: readonly Component[]) => {
    const model = await fits.fit(others, dof, { k, last, random: random.split(k) });
    const { components } = model;
    if (components.length === 0) return undefined;
    const judged = fits.densities(judges, model).joint, logLikelihood = meanAndStderr(judged).mean;
    tried.push({ dof, components: components.length, logLikelihood });
    // More components that are better by chance alone would tell of structure where there is none.
    const gain = meanAndStderr(judged.map((log, i) => log - (best?.judged[i] ?? 0)));
    const isBetter = !best || gain.mean > (components.length > best.components.length ? gain.stderr : 0);
    if (Number.isFinite(logLikelihood) && isBetter) best = { ...model, judged };
    return { components, logLikelihood };
  };

  const alone = new Map<number, readonly Component[]>();
  let before = -Infinity;
  // Of one component the likelihood has one maximum over the degrees of freedom.
  for (const dof of DOFS) {
    const made = await attempt(dof, 1, []);
    if (!made || made.logLikelihood < before) break;
    alone.set(dof, made.components);
    before = made.logLikelihood;
  }
  // Heavy tails of one component may be those of several Gaussians.
  for (const dof of new Set([best?.dof ?? Infinity, Infinity])) {
    let last = alone.get(dof) ?? [], reached = -Infinity;
    for (const k of COMPONENTS) {
      if (k * fits.d ** 2 > SAMPLES_PER_PARAMETER * fits.rows) break;
      const made = await attempt(dof, k, last);
      if (!made || made.logLikelihood < reached) break;
      reached = made.logLikelihood;
      last = made.components;
    }
  }
  if (!best) throw new RangeError("No mixture fits the ranks of the columns.");
  return { best, tried };
}

/** The densities of each row by the fit that it was left out of, and the mean information of the rows that fits were made to. */
async function crossFitted(
  fits: CopulaFits,
  order: Uint32Array,
  { dof, components }: StudentMixture,
  onFold?: (fold: CopulaFold) => void,
): Promise<{ readonly perRow: CopulaDensities; readonly fitted: number }> {
  const [joint, x, y, z] = Array.from({ length: 4 }, () => new Float64Array(fits.rows));
  const perRow = { joint, x, y, z };
  let fitted = 0;
  for (let fold = 0; fold < FOLDS; fold++) {
    const left = order.filter((_, i) => i % FOLDS === fold), kept = order.filter((_, i) => i % FOLDS !== fold);
    const model = await fits.fit(kept, dof, components);
    const densities = fits.densities(left, model);
    for (const part of ["joint", "x", "y", "z"] as const) {
      densities[part].forEach((value, i) => perRow[part][left[i]] = value);
    }
    fitted += meanAndStderr(informationOf(fits.densities(kept, model))).mean / FOLDS;
    onFold?.({
      ...{ left, kept },
      ofPairs: (x, y) => fits.ofPairs(x, y, model),
      ofColumns: (rows) => fits.ofColumns(rows, model),
    });
  }
  return { perRow, fitted };
}

/** A mixture of Student distributions, or Gaussians. */
interface StudentMixture {
  readonly components: readonly Component[];
  readonly dof: number;
}

/** The scores of all rows, and the log density of each by itself, `[rows, d]`. */
interface Scores {
  readonly d: number;
  readonly values: Float64Array;
  readonly samples: Samples;
  readonly logMargins: Float64Array;
}

function scoresFor(ranks: Uint32Array, d: number, dof: number): Scores {
  const table = rankQuantiles(ranks.length / d, dof);
  const logs = table.map((score) => logStudentDensity(score, dof));
  const values = Float64Array.from(ranks, (rank) => table[rank]);
  return {
    d,
    values,
    samples: floatSamples(Float32Array.from(values), d),
    logMargins: Float64Array.from(ranks, (rank) => logs[rank]),
  };
}

/** log p(x, y, z) + log p(z) − log p(x, z) − log p(y, z) of each row. */
export function informationOf({ joint, x, y, z }: CopulaDensities): Float64Array {
  return joint.map((log, row) => log + z[row] - x[row] - y[row]);
}

function densitiesAt(
  { values, d, logMargins }: Omit<Scores, "samples">,
  rows: Uint32Array,
  { x, z }: CopulaColumns,
  model: StudentMixture,
): CopulaDensities {
  const of = (begin: number, end: number) =>
    logDensities(values, d, rows, model, begin, end).map((log, i) => {
      for (let at = rows[i] * d + begin; at < rows[i] * d + end; at++) log -= logMargins[at];
      return log;
    });
  const none = new Float64Array(rows.length);
  return { joint: of(0, d), x: of(0, x + z), y: of(x, d), z: z === 0 ? none : of(x, x + z) };
}

/** The log density of the columns from `begin` up to `end`, whose distribution is a mixture of the same kind. */
function logDensities(
  values: Float64Array,
  d: number,
  rows: Uint32Array,
  { components, dof }: StudentMixture,
  begin: number,
  end: number,
): Float64Array {
  const size = end - begin, total = components.reduce((sum, { count }) => sum + count, 0);
  const parts = components.map(({ count, mean, factor }) => {
    const root = cholesky(marginalCovariance(factor, d, begin, end), size)!;
    let log = Math.log(count / total) + logNormaliser(size, dof);
    for (let i = 0; i < size; i++) log -= Math.log(root[i * size + i]);
    return { mean, root, log };
  });
  const y = new Float64Array(size), logs = new Float64Array(parts.length);
  return Float64Array.from(rows, (row) => {
    parts.forEach(({ mean, root, log }, c) => {
      let square = 0;
      for (let i = 0; i < size; i++) {
        let sum = values[row * d + begin + i] - mean[begin + i];
        for (let k = 0; k < i; k++) sum -= root[i * size + k] * y[k];
        y[i] = sum / root[i * size + i];
        square += y[i] * y[i];
      }
      logs[c] = log - (dof === Infinity ? square / 2 : (dof + size) / 2 * Math.log1p(square / dof));
    });
    const largest = logs.reduce((a, b) => Math.max(a, b), -Infinity);
    return largest + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - largest), 0));
  });
}
