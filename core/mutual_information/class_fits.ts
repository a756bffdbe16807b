import { meanAndStderr } from "../diffusion/likelihood.ts";
import { floatSamples, selectRows } from "../data/samples.ts";
import type { Engine } from "../engine/program.ts";
import type { Random } from "../random/random.ts";
import { type Component, ExpectationStep } from "../reference/expectation.ts";
import { variancesFloor } from "../reference/choose_mixture.ts";
import { fitClasses, fitShared, splitByPlace, splitBySize, startingClasses } from "../reference/fit_mixture.ts";
import { columnConditionals } from "./column_conditionals.ts";
import { type CopulaDensities, type CopulaFold, informationOf, logDensities } from "./copula_fits.ts";
import { type Margins, mixtureMargins, rankProbabilities, studentMargins } from "./margins.ts";

/** Steps that show which start is the best, and how many starts by means there are. */
const START_STEPS = 6, STARTS = 2;

const LIMITS = { steps: 60, tolerance: 2e-4 };

/** How often the scores become those of the mixtures' own margins, as long as rows are told so many nats more. */
const ROUNDS = 30, LEAST_GAIN = 2e-4, FINAL_GAIN = 5e-5, ROUND_LIMITS = { steps: 5, tolerance: 5e-5 };

/** A mixture for each class, and the scores of the columns that it is of. */
export interface ClassModel {
  /** By class; their counts in all are in proportion to the classes' rows. */
  readonly classes: readonly (readonly Component[])[];
  /** Whether the classes have the same components and only their weights are each one's own. */
  readonly shared: boolean;
  readonly dof: number;
  /** Pseudo-samples for each dimension that draw covariances to that which all have together. */
  readonly pseudoSamples: number;
  readonly margins: Margins;
  /** Whether these are the mixtures' own, or those of a Student distribution. */
  readonly bent: boolean;
}

/** What a fit begins with: a model, whose number of components it keeps, or how many there are to be for each class. */
export type ClassStart =
  | ClassModel
  | Pick<ClassModel, "dof" | "pseudoSamples"> & {
    readonly counts: readonly number[];
    readonly last: ClassModel | undefined;
    readonly random: Random;
  };

/** Fits of mixtures to the scores of columns, one for each class. */
export class ClassFits implements Disposable {
  readonly #steps = new Map<number, ExpectationStep>();
  readonly #values = new WeakMap<Margins, Float64Array>();
  readonly d: number;
  readonly rows: number;

  /**
   * @param ranks Of the columns of X and Z, `[rows, columns]`.
   * @param columns How many there are of each.
   * @param levels The class of each row, from 0.
   */
  constructor(
    readonly engine: Engine,
    readonly ranks: Uint32Array,
    readonly columns: { readonly x: number; readonly z: number },
    readonly levels: Uint32Array,
    readonly signal: AbortSignal | undefined,
  ) {
    this.d = columns.x + columns.z;
    this.rows = levels.length;
  }

  /** The rows of each class. */
  byClass(rows: Uint32Array): Uint32Array[] {
    const count = this.levels.reduce((most, level) => Math.max(most, level), 0) + 1;
    return Array.from({ length: count }, (_, c) => rows.filter((row) => this.levels[row] === c));
  }

  /** Fits a mixture to each class of some rows. Of a model that is given its margins stay, and so do its numbers of components. */
  async fit(rows: Uint32Array, start: ClassStart): Promise<ClassModel> {
    const { dof, pseudoSamples } = start, step = this.#step(dof), own = this.byClass(rows);
    const known = "margins" in start ? start : start.last;
    const margins = known?.margins ?? studentMargins(this.rows, this.d, dof);
    const { samples, prior } = this.#samples(margins, own, pseudoSamples);
    const begin = "margins" in start ? start.classes : await this.#start(step, samples, start, prior);
    const shared = "margins" in start && start.shared, fitted = shared ? fitShared : fitClasses;
    const { classes } = await fitted(step, samples, begin, prior, LIMITS, this.signal);
    return { classes: proportional(classes, own), shared, dof, pseudoSamples, margins, bent: known?.bent ?? false };
  }

  /** The model with the scores of its own margins. */
  async refined(rows: Uint32Array, start: ClassModel, leastGain: number = LEAST_GAIN): Promise<ClassModel> {
    const { dof, pseudoSamples, shared } = start, own = this.byClass(rows), fit = shared ? fitShared : fitClasses;
    const probabilities = rankProbabilities(this.ranks, this.d, rows);
    let model = start, told = -Infinity;
    for (let round = 0; round < ROUNDS; round++) {
      const margins = mixtureMargins(probabilities, { components: model.classes.flat(), dof });
      const { samples, prior } = this.#samples(margins, own, pseudoSamples);
      const { classes } = await fit(this.#step(dof), samples, model.classes, prior, ROUND_LIMITS, this.signal);
      model = { ...model, classes: proportional(classes, own), margins, bent: true };
      const now = meanAndStderr(informationOf(this.densities(rows, model))).mean;
      if (!(now > told + leastGain)) break;
      told = now;
    }
    return model;
  }

  /** A model of these rows that is chosen, with as much as its margins have to tell. */
  async final(rows: Uint32Array, model: ClassModel): Promise<ClassModel> {
    return model.bent ? await this.refined(rows, model, FINAL_GAIN) : model;
  }

  /** The log densities of some rows, where y is the class: what p(x, z | class) and its parts say. */
  densities(rows: Uint32Array, model: ClassModel): CopulaDensities {
    return this.#densitiesAt(rows, rows, model);
  }

  /** log p(x | class) − log p(x) of the x of some rows, each with the class of another. */
  ofPairs(x: Uint32Array, y: Uint32Array, model: ClassModel): Float64Array {
    return informationOf(this.#densitiesAt(x, y, model));
  }

  /** See {@linkcode CopulaFold}. What the class adds is what it tells. */
  ofColumns(rows: Uint32Array, model: ClassModel): ReturnType<CopulaFold["ofColumns"]> {
    const values = this.#valuesOf(model.margins), { d } = this, { dof } = model;
    const own = model.classes.map((components, c) => {
      const some = rows.keys().filter((i) => this.levels[rows[i]] === c).toArray();
      const parts = columnConditionals(values, d, Uint32Array.from(some, (i) => rows[i]), { components, dof }, 0, d);
      return { some, parts };
    });
    const all = columnConditionals(values, d, rows, { components: model.classes.flat(), dof }, 0, d);
    for (const { some, parts } of own) {
      parts.forEach((logs, k) => logs.forEach((log, i) => all[k][some[i]] = log - all[k][some[i]]));
    }
    return { x: all.slice(0, this.columns.x), y: [informationOf(this.densities(rows, model))] };
  }

  #densitiesAt(rows: Uint32Array, classOf: Uint32Array, model: ClassModel): CopulaDensities {
    const values = this.#valuesOf(model.margins), { d } = this, { x, z } = this.columns;
    const whole = this.#partsAt(values, rows, classOf, model, 0, d);
    const given = z === 0 ? undefined : this.#partsAt(values, rows, classOf, model, x, d);
    const none = new Float64Array(rows.length);
    const margins = (begin: number) =>
      Float64Array.from(rows, (row) => {
        let sum = 0;
        for (let k = begin; k < d; k++) sum += model.margins.logs[k][this.ranks[row * d + k]];
        return sum;
      });
    const less = (logs: Float64Array, margins: Float64Array) => logs.map((log, i) => log - margins[i]);
    const [ofAll, ofGiven] = [margins(0), margins(x)];
    return {
      joint: less(whole.own, ofAll),
      x: less(whole.all, ofAll),
      y: given ? less(given.own, ofGiven) : none,
      z: given ? less(given.all, ofGiven) : none,
    };
  }

  /** The log densities of the columns from `begin` to `end` given the class, and of all classes together. */
  #partsAt(
    values: Float64Array,
    rows: Uint32Array,
    classOf: Uint32Array,
    { classes, dof }: ClassModel,
    begin: number,
    end: number,
  ): { readonly own: Float64Array; readonly all: Float64Array } {
    const total = classes.flat().reduce((sum, { count }) => sum + count, 0);
    const logs = classes.map((components) => logDensities(values, this.d, rows, { components, dof }, begin, end));
    const shares = classes.map((components) => Math.log(components.reduce((sum, { count }) => sum + count, 0) / total));
    return {
      own: Float64Array.from(classOf, (row, i) => logs[this.levels[row]][i]),
      all: Float64Array.from(rows, (_, i) => {
        const largest = logs.reduce((most, of, c) => Math.max(most, of[i] + shares[c]), -Infinity);
        return largest + Math.log(logs.reduce((sum, of, c) => sum + Math.exp(of[i] + shares[c] - largest), 0));
      }),
    };
  }

  async #start(
    step: ExpectationStep,
    samples: readonly ReturnType<typeof floatSamples>[],
    { counts, last, random }: Exclude<ClassStart, ClassModel>,
    prior: { readonly pseudoSamples: number; readonly floor: Float64Array },
  ): Promise<readonly (readonly Component[])[]> {
    const isOne = counts.every((count) => count === 1);
    const doubled = (split: (of: readonly Component[]) => Component[]) =>
      last!.classes.map((own, c) => 2 * own.length === counts[c] ? split(own) : [...own]);
    const starts = [
      ...Array.from({ length: isOne ? 1 : STARTS }, (_, k) => startingClasses(samples, counts, prior, random.split(k))),
      ...(last && !isOne ? [doubled(splitBySize), doubled(splitByPlace)] : []),
    ].filter((classes) => classes.every((own) => own.length > 0));
    if (starts.length === 1) return starts[0];
    let best: { readonly classes: readonly (readonly Component[])[]; readonly logLikelihood: number } | undefined;
    for (const classes of starts) {
      const limits = { steps: START_STEPS, tolerance: 0 };
      const tried = await fitClasses(step, samples, classes, prior, limits, this.signal);
      if (!best || tried.logLikelihood > best.logLikelihood) best = tried;
    }
    if (!best) throw new RangeError("No mixture fits the ranks of the columns in each class.");
    return best.classes;
  }

  #samples(margins: Margins, own: readonly Uint32Array[], pseudoSamples: number) {
    const all = floatSamples(Float32Array.from(this.#valuesOf(margins)), this.d);
    // In the order of the rows, of which the classes' is none.
    const rows = Uint32Array.from(own.flatMap((rows) => [...rows])).sort();
    const prior = { pseudoSamples, floor: variancesFloor(selectRows(all, rows)) };
    return { samples: own.map((rows) => selectRows(all, rows)), prior };
  }

  #valuesOf(margins: Margins): Float64Array {
    const known = this.#values.get(margins) ??
      Float64Array.from(this.ranks, (rank, at) => margins.scores[at % this.d][rank]);
    this.#values.set(margins, known);
    return known;
  }

  #step(dof: number): ExpectationStep {
    const known = this.#steps.get(dof) ?? new ExpectationStep(this.engine, { dof, rounded: true });
    this.#steps.set(dof, known);
    return known;
  }

  [Symbol.dispose](): void {
    for (const step of this.#steps.values()) step.dispose();
  }
}

/** Counts that are the classes' in all: of a component that is left out the others of its class take the samples. */
function proportional(classes: readonly (readonly Component[])[], rows: readonly Uint32Array[]): Component[][] {
  return classes.map((own, c) => {
    const total = own.reduce((sum, { count }) => sum + count, 0);
    return own.map((each) => ({ ...each, count: each.count / total * rows[c].length }));
  });
}

/** Of a class the part that begins with the components of all others. */
const STRAYED = 0.2;

/** A model whose classes all have the components of each, most of their own, to be fitted. */
export function shared(model: ClassModel): ClassModel {
  const sizes = model.classes.map((own) => own.reduce((sum, { count }) => sum + count, 0));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const classes = sizes.map((size, c) =>
    model.classes.flatMap((components, other) =>
      components.map((each) => ({
        ...each,
        count: (other === c ? 1 - STRAYED : 0) * each.count + STRAYED * size * each.count / total,
      }))
    )
  );
  return { ...model, classes, shared: true };
}
