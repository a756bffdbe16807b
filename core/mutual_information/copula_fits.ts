import type { Engine } from "../engine/program.ts";
import type { Random } from "../random/random.ts";
import { type Component, ExpectationStep, logNormaliser } from "../reference/expectation.ts";
import { bestStart, variancesFloor } from "../reference/choose_mixture.ts";
import { fitMixture } from "../reference/fit_mixture.ts";
import { cholesky } from "../reference/cholesky.ts";
import { floatSamples, type Samples, selectRows } from "../data/samples.ts";
import { columnConditionals, marginalCovariance } from "./column_conditionals.ts";
import { logStudentDensity, rankQuantiles } from "./student.ts";

/** Pseudo-samples for each dimension that draw a component's covariance to that of all. */
const PSEUDO_SAMPLES = 0.4;

const LIMITS = { steps: 60, tolerance: 2e-4 };

/** Log densities of copulas at rows, in nats: of all columns, of those of X and Z, of Y and Z, and of Z alone. */
export interface CopulaDensities {
  readonly joint: Float64Array;
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly z: Float64Array;
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

/** How many columns are X's, Z's and Y's, which follow one another in this order; Z may have none. */
export interface CopulaColumns {
  readonly x: number;
  readonly z: number;
  readonly y: number;
}

/** A mixture of Student distributions, or Gaussians. */
export interface StudentMixture {
  readonly components: readonly Component[];
  readonly dof: number;
}

/** A number of components, and those of half as many that they may begin with. */
export interface Start {
  readonly k: number;
  readonly last: readonly Component[];
  readonly random: Random;
}

/** Fits of mixtures to the scores of columns, for any degrees of freedom. */
export class CopulaFits implements Disposable {
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
export function logDensities(
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
