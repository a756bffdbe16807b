import { setImmediate } from "node:timers/promises";
import { type Samples, selectRows, toFloat32 } from "../data/samples.ts";
import type { Random } from "../random/random.ts";
import { CLASSIFIERS, type ClassifierTest, classifierTest } from "./told_apart.ts";
import { COLUMN_DISTANCES, type ColumnDistance, columnDistances } from "./column_distances.ts";
import { type Association, ASSOCIATIONS, correlationDifferences, pairsOf } from "./correlations.ts";
import { frechetDistance, frechetWithError } from "./frechet.ts";
import { compareNearest, type Nearest, type NearestRecords, nearestTrainingRows } from "./nearest_records.ts";
import { type Comparison, sampleDeviation, withErrors } from "./resampling.ts";
import { drawDirections, slicedWasserstein } from "./sliced_wasserstein.ts";
import { type EncodedRows, sampleBlocks, type Table, type TableColumn, tableOf } from "./table.ts";

/** A distance of samples from held-out rows, beside that of as many training rows from the same held-out rows. */
export interface Compared {
  /** Of the samples. */
  readonly value: number;
  /** By rows drawn anew. */
  readonly stderr: number;
  /** The mean over several sets of training rows: what is left where the samples are as good as data. */
  readonly real: number;
  /** The scatter of one of them. */
  readonly realScatter: number;
}

/** One column's distances; those that it does not have are left out. */
export type ComparedColumn =
  & {
    /** As the data names it. */
    readonly name: string;
    /** What its values are. */
    readonly kind: "number" | "class";
  }
  & Partial<Record<ColumnDistance, Compared>>;

/** How the associations of pairs of columns differ. */
export interface ComparedAssociations {
  /** What of two columns is compared. */
  readonly kind: Association;
  /** How many pairs have it. */
  readonly pairs: number;
  /** The mean of |ρ₁ − ρ₂| over the pairs. */
  readonly mean: Compared;
  /** The largest of them. */
  readonly largest: number;
  /** The names of its columns. */
  readonly largestPair: readonly [string, string];
}

/** A classifier's answers about samples and held-out rows, and about training and held-out rows. */
export interface ComparedClassifier {
  /** Samples from held-out rows. */
  readonly samples: ClassifierTest;
  /** As many training rows from the same. */
  readonly real: ClassifierTest;
}

/** What is told of the rows as points, or of their features. */
export interface ComparedPoints {
  /** By trees, and by neighbours. */
  readonly classifiers: readonly ComparedClassifier[];
  /** The 2-Wasserstein distance of shadows on random directions, in standard deviations of the columns. */
  readonly slicedWasserstein: Compared;
}

/** How good samples are. */
export interface Quality extends ComparedPoints {
  /** Of samples, of held-out rows, and of each set of training rows beside them. */
  readonly rows: number;
  /** All of them, of which copies are looked for. */
  readonly trainingRows: number;
  /** In the order of a row's values. */
  readonly columns: readonly ComparedColumn[];
  /** The mean over columns of the distance of numbers; nothing where there are none. */
  readonly meanWasserstein?: Compared;
  /** Of the kinds that the columns have. */
  readonly associations: readonly ComparedAssociations[];
  /** Columns that the associations are of, where they are not all. */
  readonly associatedColumns?: number;
  /** How close samples, and as many training rows, lie to training rows other than themselves. */
  readonly nearest: { readonly samples: NearestRecords; readonly real: NearestRecords };
  /** Of images, by a network's features; left out without one. */
  readonly features?: ComparedPoints & {
    /** Features of an image. */
    readonly width: number;
    /** The Fréchet distance of their Gaussians. */
    readonly frechet: Compared;
  };
}

/** The same rows by their columns: a class is a number that stands for it, and what is unknown NaN. */
export interface ComparedTable {
  readonly names: readonly string[];
  readonly kinds: readonly TableColumn["kind"][];
  /** `[n, columns]`. */
  readonly samples: Float32Array;
  /** `[n, columns]`. */
  readonly heldOut: Float32Array;
  readonly training: Samples;
}

/** Rows to compare, in the values that a model sees. */
export interface ComparedSets {
  /** `[n, d]`. */
  readonly samples: Float32Array;
  /** `[n, d]`: as many, of the same density, which the model has not seen. */
  readonly heldOut: Float32Array;
  /** What the model was trained on; at least n. */
  readonly training: Samples;
  /** Names of the d values. */
  readonly names: readonly string[];
  /** Of rows of a table its columns, of which the d values are made. */
  readonly table?: ComparedTable;
  /** Whether they are images, whose distances are in the deviation of all values together. */
  readonly isImages: boolean;
  /** Features of rows `[n, d]`, where images are to be compared by some as well. */
  featuresOf?(rows: Float32Array): Promise<EncodedRows>;
}

/** What a comparison may be given. */
export interface CompareOptions {
  readonly random: Random;
  readonly signal?: AbortSignal;
  /** Told what is being measured, and the share that is done. */
  readonly onProgress?: (share: number) => void;
}

/** Sets of training rows, for the noise floor; of features fewer, and of many one, which take longer. */
const REAL_SETS = 10, REAL_FRECHET = 3, MANY = 1500;

/** Columns whose associations are measured. */
const ASSOCIATED = 40;

/** Rows whose nearest training rows are looked for before it is heard whether to stop. */
const AT_ONCE = 100;

/**
 * Compares samples with held-out rows, and as many training rows with the same held-out rows: what real data gets is the
 * noise floor of every number.
 *
 * @returns The numbers, and the nearest training row of each sample.
 * @throws The signal's reason, soon after it is aborted.
 * @throws {RangeError} For sets of different sizes, or fewer than 24 rows.
 */
export async function compareSamples(
  sets: ComparedSets,
  options: CompareOptions,
): Promise<{ readonly quality: Quality; readonly nearest: Nearest }> {
  const { samples, heldOut, training, names, isImages, featuresOf } = sets, { random, signal, onProgress } = options;
  const d = training.dimension, n = samples.length / d;
  if (heldOut.length !== samples.length || training.count < n) {
    throw new RangeError(
      `Got ${n} samples, ${
        heldOut.length / d
      } held-out and ${training.count} training rows, expected as many held-out ` +
        "rows as samples, and no fewer training rows.",
    );
  }
  let done = 0;
  // The nearest rows take the longest, by far of many training rows.
  const stages = featuresOf ? 9 : 6;
  const next = async (part = 1) => {
    done += part;
    onProgress?.(Math.min(1, done / stages));
    await setImmediate();
    signal?.throwIfAborted();
  };
  const chosen = Array.from(
    { length: REAL_SETS },
    (_, t) => random.split("training").split(t).permutation(training.count).slice(0, n),
  );
  const real = chosen.map((rows) => toFloat32(selectRows(training, rows)));
  const blocks = sampleBlocks(training, isImages), encode = (rows: Float32Array) => blocks.encode(rows);

  const own = encode(samples), other = encode(heldOut), encodedReal = real.map(encode);
  const points = await comparePoints(own, other, encodedReal, random.split("points"), next);

  const of = sets.table ?? { names, kinds: undefined, samples, heldOut, training };
  const realRows = sets.table ? chosen.map((rows) => toFloat32(selectRows(of.training, rows))) : real;
  const [table, held, ...realTables] = [of.samples, of.heldOut, ...realRows]
    .map((rows) => tableOf(rows, of.names, of.kinds));
  const columns = await comparedColumns(held, table, realTables, random.split("columns"), () => next(0));
  await next();
  const few = fewColumns(held), some = (all: Table) => few ? { ...all, columns: few.map((k) => all.columns[k]) } : all;
  const associations = await comparedAssociations(
    some(held),
    some(table),
    realTables.map(some),
    random.split("pairs"),
    () => next(0),
  );
  await next();

  const nearestOf = async (rows: EncodedRows, self?: Uint32Array): Promise<Nearest> => {
    const all = { distances: new Float64Array(n), seconds: new Float64Array(n), rows: new Uint32Array(n) };
    for (let begin = 0; begin < n; begin += AT_ONCE) {
      const end = Math.min(n, begin + AT_ONCE), values = rows.values.subarray(begin * d, end * d);
      const some = nearestTrainingRows({ values, width: d }, blocks, self?.subarray(begin, end));
      all.distances.set(some.distances, begin);
      all.seconds.set(some.seconds, begin);
      all.rows.set(some.rows, begin);
      await next((end - begin) / n / 2);
    }
    return all;
  };
  const ofHeldOut = await nearestOf(other), found = await nearestOf(own);
  const ofReal = await nearestOf(encodedReal[0], chosen[0]);
  const nearest = { samples: compareNearest(found, ofHeldOut, d), real: compareNearest(ofReal, ofHeldOut, d) };
  const features = featuresOf
    ? await comparedFeatures(featuresOf, { samples, heldOut, real }, random.split("features"), next)
    : undefined;
  onProgress?.(1);
  const quality = {
    rows: n,
    trainingRows: training.count,
    ...points,
    ...columns,
    associations,
    ...(few ? { associatedColumns: few.length } : {}),
    nearest,
    ...(features ? { features } : {}),
  };
  return { quality, nearest: found };
}

async function comparePoints(
  samples: EncodedRows,
  heldOut: EncodedRows,
  real: readonly EncodedRows[],
  random: Random,
  next: (part?: number) => Promise<void>,
): Promise<ComparedPoints> {
  const classifiers: ComparedClassifier[] = [];
  for (const name of CLASSIFIERS) {
    const own = random.split(name);
    const ofSamples = await classifierTest(name, heldOut, samples, own, () => next(0));
    await next(0.5);
    classifiers.push({ samples: ofSamples, real: await classifierTest(name, heldOut, real[0], own, () => next(0)) });
    await next(0.5);
  }
  const directions = drawDirections(samples.width, random.split("directions"));
  const comparisonOf = (rows: EncodedRows) => slicedWasserstein(heldOut, rows, directions);
  const [sliced] = await compared(comparisonOf, samples, real, random, rowsOf, () => next(0));
  await next(0.5);
  return { classifiers, slicedWasserstein: sliced };
}

async function comparedFeatures(
  featuresOf: (rows: Float32Array) => Promise<EncodedRows>,
  { samples, heldOut, real }: Pick<ComparedSets, "samples" | "heldOut"> & { readonly real: readonly Float32Array[] },
  random: Random,
  next: (part?: number) => Promise<void>,
): Promise<NonNullable<Quality["features"]>> {
  const [own, other] = [await featuresOf(samples), await featuresOf(heldOut)];
  await next(0.5);
  const others: EncodedRows[] = [];
  const sets = Math.min(own.width, rowsOf(own)) > MANY ? 1 : REAL_FRECHET;
  for (const rows of real.slice(0, sets)) others.push(await featuresOf(rows));
  await next(0.5);
  const { value, stderr } = frechetWithError(other, own, random.split("frechet"));
  const floor = others.map((rows) => frechetDistance(other, rows));
  await next(0.5);
  const encode = standardised(other);
  const points = await comparePoints(encode(own), encode(other), others.map(encode), random, () => next(0.1));
  return {
    width: own.width,
    frechet: { value, stderr, real: mean(floor), realScatter: sampleDeviation(floor) },
    ...points,
  };
}

/** Brings each feature to the mean 0 and the deviation 1 that some rows have. */
function standardised({ values, width }: EncodedRows): (rows: EncodedRows) => EncodedRows {
  const samples = { count: values.length / width, dimension: width, copy: copyOf(values, width) };
  return (rows) => sampleBlocks(samples, false).encode(rows.values);
}

function copyOf(values: Float32Array, width: number): Samples["copy"] {
  return (begin, end, out, at = 0) => out.set(values.subarray(begin * width, end * width), at);
}

/** Distances of one set and of several from held-out rows, each beside what the several have. */
async function compared<T>(
  comparisonOf: (rows: T) => Comparison,
  samples: T,
  real: readonly T[],
  random: Random,
  count: (rows: T) => number,
  pause: () => Promise<void>,
): Promise<Compared[]> {
  const n = count(samples), { values, stderrs } = withErrors(comparisonOf(samples), n, n, random.split("errors"));
  const floor: Float64Array[] = [];
  for (const rows of real) {
    await pause();
    floor.push(comparisonOf(rows)());
  }
  return Array.from(values, (value, k) => {
    const each = floor.map((distances) => distances[k]);
    return { value, stderr: stderrs[k], real: mean(each), realScatter: sampleDeviation(each) };
  });
}

async function comparedColumns(
  heldOut: Table,
  samples: Table,
  real: readonly Table[],
  random: Random,
  pause: () => Promise<void>,
): Promise<Pick<Quality, "columns" | "meanWasserstein">> {
  const perColumn = COLUMN_DISTANCES.length, names = heldOut.columns.map(({ name, kind }) => ({ name, kind }));
  // The mean comes last, so that it has an error of its own.
  const comparisonOf = (table: Table): Comparison => {
    const compare = columnDistances(heldOut, table);
    return (a, b) => {
      const all = compare(a, b), first = all.filter((x, k) => k % perColumn === 0 && !Number.isNaN(x));
      return Float64Array.of(...all, first.reduce((sum, x) => sum + x, 0) / first.length);
    };
  };
  const all = await compared(comparisonOf, samples, real, random, ({ count }) => count, pause);
  const columns = names.map((column, k) => {
    const own = COLUMN_DISTANCES.map((distance, j) => [distance, all[k * perColumn + j]] as const);
    const isThere = ([distance, { value }]: typeof own[number]) =>
      !Number.isNaN(value) && (distance !== "unknown" || value > 0);
    return { ...column, ...Object.fromEntries(own.filter(isThere)) };
  });
  const total = all[all.length - 1];
  return { columns, ...(Number.isNaN(total.value) ? {} : { meanWasserstein: total }) };
}

/** Columns that vary, evenly spread over all, where there are too many pairs; nothing otherwise. */
function fewColumns({ columns }: Table): number[] | undefined {
  if (columns.length <= ASSOCIATED) return undefined;
  const varying = [...columns.keys()].filter((k) => columns[k].values.some((x) => x !== columns[k].values[0]));
  const count = Math.min(ASSOCIATED, varying.length);
  return Array.from({ length: count }, (_, k) => varying[Math.floor((k + 0.5) * varying.length / count)]);
}

async function comparedAssociations(
  heldOut: Table,
  samples: Table,
  real: readonly Table[],
  random: Random,
  pause: () => Promise<void>,
): Promise<ComparedAssociations[]> {
  const pairs = pairsOf(heldOut), kinds = ASSOCIATIONS.filter((kind) => pairs.some((pair) => pair.kind === kind));
  const placesOf = (kind: Association) => [...pairs.keys()].filter((k) => pairs[k].kind === kind);
  const comparisonOf = (table: Table): Comparison => {
    const compare = correlationDifferences(heldOut, table);
    return (a, b) => {
      const all = compare(a, b);
      return Float64Array.from(kinds, (kind) => mean(placesOf(kind).map((k) => all[k])));
    };
  };
  const means = await compared(comparisonOf, samples, real, random, ({ count }) => count, pause);
  const differences = correlationDifferences(heldOut, samples)();
  return kinds.map((kind, k) => {
    const places = placesOf(kind), worst = places.reduce((a, b) => differences[b] > differences[a] ? b : a);
    const [one, other] = pairs[worst].columns.map((column) => heldOut.columns[column].name);
    return {
      ...{ kind, pairs: places.length, mean: means[k] },
      ...{ largest: differences[worst], largestPair: [one, other] as const },
    };
  });
}

function rowsOf({ values, width }: EncodedRows): number {
  return values.length / width;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}
