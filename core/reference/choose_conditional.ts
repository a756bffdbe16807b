import type { Engine } from "../engine/mod.ts";
import { type Condition, conditionPlaces, conditionWidth, givenNothing } from "../data/condition.ts";
import { floatSamples, type Samples, selectRows, toFloat32 } from "../data/samples.ts";
import type { Random } from "../random/random.ts";
import { covarianceOf, variancesFloor } from "./choose_mixture.ts";
import { NEVER, numberPlaces } from "./conditioning.ts";
import { type Component, ExpectationStep } from "./expectation.ts";
import { fitClasses, someSamples, splitByPlace, splitBySize, startingClasses } from "./fit_mixture.ts";
import { gaussianOf } from "./gaussian.ts";
import { type GaussianMixture, mixtureNll } from "./mixture.ts";

/** Training samples that a class needs for a mixture of its own; those of others share one. */
const LEAST_SAMPLES = 20;

/** Samples that a component of a class needs to be worth trying, and components of all classes at most. */
const EACH_SAMPLES = 16;
const MOST_COMPONENTS = 1024;

/** Components of a class that are tried, in this order, and how long without a better number. */
const COMPONENTS = [1, 2, 4, 8, 16, 32, 64, 128];
const PATIENCE = 4;

/** Pseudo-samples per dimension for the covariances, and which is tried first. */
const PSEUDO_SAMPLES = [0.05, 0.4, 2, 6, 20];
const FIRST = 2;

/** Samples that the choice is made by at most, and the steps of its fits. */
const CHOICE_SAMPLES = 1 << 15, JUDGES = 8192;
const START_STEPS = 6, STARTS = 2;
const LIMITS = { steps: 40, tolerance: 4e-4 }, REFINED = { steps: 6, tolerance: 4e-4 };
const FINAL_LIMITS = { steps: 100, tolerance: 1e-4 };

/** Products of two values that a step sums up at most, of starts and of other fits, and all steps of a fit together. */
const START_WORK = 4e9, STEP_WORK = 1e10;
const FIT_WORK = 1e11, FINAL_WORK = 2e11;
const LEAST_STEPS = 4;

/** Classes that a mixture is fitted to. */
interface Cells {
  /** The levels of the class variables in the class, in their order. */
  readonly levels: readonly (readonly number[])[];
  readonly train: readonly Samples[];
  readonly judges: readonly Samples[];
}

/** What is chosen for each class. */
interface Candidate {
  readonly classes: readonly (readonly Component[])[];
  readonly pseudoSamples: number;
  readonly most: number;
  readonly nll: number;
}

/**
 * Fits a mixture of (x, c): to each class, or combination of classes, a mixture of its own, with x and the numbers that are
 * known together normal in each component; classes of few samples share one. Numbers of components and the strength of
 * the prior are those under which the validation samples are the most likely.
 *
 * @param train In so few dimensions that full covariances can be fitted, with what is known of each.
 * @param components Of a class; by the validation samples if left out.
 * @returns Nothing where no class has enough samples.
 */
export async function chooseConditional(
  engine: Engine,
  train: Samples,
  validation: Samples,
  condition: Condition,
  random: Random,
  { components: asked, signal }: {
    readonly components?: number | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<GaussianMixture | undefined> {
  const numbers = numberPlaces(condition), whole = withNumbers(train, numbers);
  const all = jointSamples(whole, numbers), d = all.dimension;
  const { cells, rest } = cellsOf(whole, all, withNumbers(validation, numbers), condition, numbers, random);
  if (cells.train.length === 0) return undefined;
  const prior = { floor: variancesFloor(someSamples(all, CHOICE_SAMPLES, random.split("floor"))) };
  const total = cells.train.reduce((sum, { count }) => sum + count, 0);
  const share = Math.min(1, CHOICE_SAMPLES / total);
  const chosen = cells.train.map((own, c) =>
    someSamples(own, Math.max(LEAST_SAMPLES, Math.floor(share * own.count)), random.split("choice").split(c))
  );
  const step = new ExpectationStep(engine, { rounded: true });
  let best: Candidate | undefined;
  const consider = async (classes: readonly (readonly Component[])[], pseudoSamples: number, most: number) => {
    let nll = 0, count = 0;
    for (const [c, judges] of cells.judges.entries()) {
      if (judges.count === 0) continue;
      nll -= (await step.run(judges, classes[c])).logLikelihood * judges.count;
      count += judges.count;
    }
    nll /= count;
    const isBetter = Number.isFinite(nll) && !(best && nll >= best.nll);
    if (isBetter) best = { classes, pseudoSamples, most, nll };
    return isBetter;
  };
  const attempt = async (most: number, last: readonly (readonly Component[])[]) => {
    const counts = cells.train.map(({ count }) =>
      asked ?? Math.max(1, Math.min(most, Math.floor(count / EACH_SAMPLES)))
    );
    const pseudoSamples = best?.pseudoSamples ?? PSEUDO_SAMPLES[FIRST], own = { ...prior, pseudoSamples };
    const stream = random.split("components").split(most);
    const few = withinWork(chosen, counts, START_WORK, stream.split("starts"));
    const some = withinWork(chosen, counts, STEP_WORK, stream.split("samples"));
    const limits = { ...LIMITS, steps: stepsWithin(FIT_WORK, some, counts, LIMITS.steps) };
    const doubled = (split: (of: readonly Component[]) => Component[]) =>
      last.map((components, c) => 2 * components.length === counts[c] ? split(components) : [...components]);
    const starts = [
      ...Array.from(
        { length: most === 1 ? 1 : STARTS },
        (_, k) => startingClasses(few, counts, own, stream.split(k)),
      ),
      ...(most > 1 && last.length > 0 ? [doubled(splitBySize), doubled(splitByPlace)] : []),
    ].filter((classes) => classes.every((components) => components.length > 0));
    let start: { readonly classes: readonly (readonly Component[])[]; readonly logLikelihood: number } | undefined;
    for (const classes of starts) {
      const tried = await fitClasses(step, few, classes, own, { steps: START_STEPS, tolerance: 0 }, signal);
      if (!start || tried.logLikelihood > start.logLikelihood) start = tried;
    }
    if (!start) return [];
    const { classes } = await fitClasses(step, some, start.classes, own, limits, signal);
    await consider(classes, pseudoSamples, most);
    const place = PSEUDO_SAMPLES.indexOf(pseudoSamples);
    for (const direction of [-1, 1]) {
      let refined = classes;
      for (let at = place + direction; at in PSEUDO_SAMPLES; at += direction) {
        const other = { ...prior, pseudoSamples: PSEUDO_SAMPLES[at] };
        ({ classes: refined } = await fitClasses(step, some, refined, other, REFINED, signal));
        if (!await consider(refined, PSEUDO_SAMPLES[at], most)) break;
      }
    }
    return classes;
  };
  try {
    let last: readonly (readonly Component[])[] = [];
    const largest = Math.max(...cells.train.map(({ count }) => count));
    for (const most of asked === undefined ? COMPONENTS : [asked]) {
      const tooMany = most > 1 && (most * EACH_SAMPLES > largest || most * cells.train.length > MOST_COMPONENTS);
      if (best && (tooMany || most >= PATIENCE * best.most)) break;
      last = await attempt(most, last);
    }
    if (!best) return undefined;
    const { classes, pseudoSamples } = best, sizes = classes.map(({ length }) => length);
    const most = withinWork(cells.train, sizes, FINAL_WORK / LEAST_STEPS, random.split("final"));
    const limits = { ...FINAL_LIMITS, steps: stepsWithin(FINAL_WORK, most, sizes, FINAL_LIMITS.steps) };
    const { classes: final } = await fitClasses(step, most, classes, { ...prior, pseudoSamples }, limits, signal);
    const common = rest.count === 0
      ? []
      : (await fitClasses(step, [all], [final.flat()], { ...prior, pseudoSamples }, REFINED, signal)).classes[0];
    return mixtureOf(final, cells, common, rest, condition, d - numbers.length, all.count);
  } finally {
    step.dispose();
  }
}

/** The products of two values that a step sums up for so many components of each class. */
function workOf(classes: readonly Samples[], components: readonly number[]): number {
  return classes.reduce((sum, { count, dimension }, c) => sum + count * components[c] * dimension ** 2, 0);
}

/** As many samples of each class, an equal share of all, as a step takes so much work for. */
function withinWork(
  classes: readonly Samples[],
  components: readonly number[],
  work: number,
  random: Random,
): Samples[] {
  const share = Math.min(1, work / workOf(classes, components));
  return classes.map((own, c) =>
    someSamples(own, Math.max(LEAST_SAMPLES, Math.floor(share * own.count)), random.split(c))
  );
}

function stepsWithin(work: number, classes: readonly Samples[], components: readonly number[], most: number): number {
  return Math.max(LEAST_STEPS, Math.min(most, Math.floor(work / workOf(classes, components))));
}

/** The samples of which all numbers are known: what is normal together with x. */
function withNumbers(samples: Samples, numbers: Uint32Array): Samples {
  const { count, condition } = samples, known = toFloat32(condition!), width = condition!.dimension;
  const rows = Uint32Array.from({ length: count }, (_, row) => row)
    .filter((row) => numbers.every((place) => known[row * width + place] === 1));
  return rows.length === count ? samples : selectRows(samples, rows);
}

/** Values and known numbers side by side, `[n, d + m]`. */
function jointSamples(samples: Samples, numbers: Uint32Array): Samples {
  const { condition, count: n, dimension: d } = samples, m = numbers.length, width = condition!.dimension;
  if (m === 0) return givenNothing(samples);
  const x = toFloat32(samples), c = toFloat32(condition!), out = new Float32Array(n * (d + m));
  for (let i = 0; i < n; i++) {
    out.set(x.subarray(i * d, (i + 1) * d), i * (d + m));
    numbers.forEach((place, j) => out[i * (d + m) + d + j] = c[i * width + place + 1]);
  }
  return floatSamples(out, d + m);
}

/** The classes that have enough samples, and the rows of the others. */
function cellsOf(
  train: Samples,
  all: Samples,
  validation: Samples,
  condition: Condition,
  numbers: Uint32Array,
  random: Random,
): { readonly cells: Cells; readonly rest: Rest } {
  const classes = classPlaces(condition);
  const levelsOf = (samples: Samples) => {
    const c = toFloat32(samples.condition!), width = samples.condition!.dimension;
    return Array.from(
      { length: samples.count },
      (_, row) =>
        classes.map(({ place, count }) =>
          Array.from({ length: count }, (_, k) => k).find((k) => c[row * width + place + 1 + k] === 1) ?? -1
        ),
    );
  };
  const group = (levels: readonly (readonly number[])[]) => Map.groupBy(levels.keys(), (row) => levels[row].join());
  const trainLevels = levelsOf(train), trained = group(trainLevels), judged = group(levelsOf(validation));
  const judges = jointSamples(validation, numbers);
  const own = [...trained].filter(([, rows]) => rows.length >= LEAST_SAMPLES);
  const isOwn = new Set(own.map(([key]) => key));
  const part = Math.min(1, JUDGES / validation.count);
  return {
    cells: {
      levels: own.map(([, rows]) => trainLevels[rows[0]]),
      train: own.map(([, rows]) => selectRows(all, Uint32Array.from(rows))),
      judges: own.map(([key], c) => {
        const rows = Uint32Array.from(judged.get(key) ?? []);
        return someSamples(selectRows(judges, rows), Math.ceil(part * rows.length), random.split("judges").split(c));
      }),
    },
    rest: restOf(trainLevels.filter((levels) => !isOwn.has(levels.join())), classes),
  };
}

/** Samples of classes with few: how many there are, and how many of each level of each variable. */
interface Rest {
  readonly count: number;
  readonly levels: readonly (readonly number[])[];
}

function restOf(rows: readonly (readonly number[])[], classes: readonly { readonly count: number }[]): Rest {
  const levels = classes.map(({ count }) => new Array<number>(count).fill(0));
  // Of −1 nothing is known.
  for (const row of rows) row.forEach((level, k) => level >= 0 && levels[k][level]++);
  return { count: rows.length, levels };
}

function classPlaces(condition: Condition) {
  const places = conditionPlaces(condition);
  return condition.flatMap((variable, k) =>
    variable.kind === "class" ? [{ place: places[k], count: variable.levels.length }] : []
  );
}

/** The mixture of x that goes by what is known. @param d Of x. @param total Samples. */
function mixtureOf(
  fitted: readonly (readonly Component[])[],
  cells: Cells,
  common: readonly Component[],
  rest: Rest,
  condition: Condition,
  d: number,
  total: number,
): GaussianMixture {
  const numbers = numberPlaces(condition), m = numbers.length, width = conditionWidth(condition);
  const classes = classPlaces(condition);
  const parts = [
    ...fitted.flatMap((components, c) => {
      const count = components.reduce((sum, component) => sum + component.count, 0);
      const logOf = (k: number, level: number) => cells.levels[c][k] === level ? 0 : NEVER;
      return components.map((each) => ({ ...each, weight: each.count / count * cells.train[c].count / total, logOf }));
    }),
    ...common.map((each) => {
      const count = common.reduce((sum, component) => sum + component.count, 0);
      const logOf = (k: number, level: number) =>
        rest.levels[k][level] > 0 ? Math.log(rest.levels[k][level] / rest.count) : NEVER;
      return { ...each, weight: each.count / count * rest.count / total, logOf };
    }),
  ];
  const k = parts.length;
  const logits = new Float64Array(k * width), means = new Float64Array(k * m);
  const cross = new Float64Array(k * d * m), covariances = new Float64Array(k * m * m);
  const sum = parts.reduce((sum, { weight }) => sum + weight, 0);
  const components = parts.map((part, i) => {
    const covariance = covarianceOf(part), size = d + m;
    classes.forEach(({ place, count }, v) => {
      for (let level = 0; level < count; level++) logits[i * width + place + 1 + level] = part.logOf(v, level);
    });
    means.set(part.mean.subarray(d), i * m);
    for (let a = 0; a < size; a++) {
      for (let j = 0; j < m; j++) {
        const value = covariance[a * size + d + j];
        if (a < d) cross[(i * d + a) * m + j] = value;
        else covariances[(i * m + a - d) * m + j] = value;
      }
    }
    const own = Float64Array.from({ length: d * d }, (_, at) => covariance[Math.floor(at / d) * size + at % d]);
    return gaussianOf(part.mean.subarray(0, d), own);
  });
  return {
    weights: Float64Array.from(parts, ({ weight }) => weight / sum),
    components,
    given: { logits, numbers, means, cross, covariances },
  };
}

/** Whether a conditional mixture says more of validation samples than one that does not go by what is known. */
export function isBetter(mixture: GaussianMixture, than: GaussianMixture, validation: Samples): boolean {
  const mean = (of: GaussianMixture) =>
    mixtureNll(validation, of).reduce((sum, nll) => sum + nll, 0) / validation.count;
  return mean(mixture) < mean(than);
}
