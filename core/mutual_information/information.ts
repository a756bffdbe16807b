import { type Estimate, meanAndStderr } from "../diffusion/likelihood.ts";
import type { Dataset } from "../plugins/contracts.ts";
import { defaultThreads, startEngine } from "../engine/start.ts";
import { UserError } from "../errors/user_error.ts";
import { UsageError } from "../errors/usage_error.ts";
import { floatSamples } from "../data/samples.ts";
import { applyAxisMap, standardisation } from "../data/standardisation.ts";
import { sizeOf } from "../data/tensors.ts";
import type { NamedDataset } from "../model/load_data.ts";
import { flatRows, type Rows } from "../model/rows.ts";
import { requireAllowed } from "../options/given.ts";
import { Random } from "../random/random.ts";
import { type InformationChecks, MixtureAnswers, warningsOf } from "./checks.ts";
import { parseColumns, requireDisjoint } from "./columns.ts";
import { type CopulaFold, informationOf } from "./copula_fits.ts";
import {
  INFORMATION_DEFAULTS,
  INFORMATION_RANGES,
  type InformationOptions,
  requireMixtureFor,
} from "./information_options.ts";
import { type InformedLabel, labelInformation } from "./label_entropy.ts";
import { joined, linearInformation } from "./linear_part.ts";
import { type FoldKind, mixtureInformation, type MixtureRows } from "./mixture_information.ts";
import { type NetworkInformation, networkInformation } from "./network_information.ts";
import { type PairedColumns, pairsOf } from "./pairs.ts";
import type { InformationForm } from "./running_information.ts";
import { splitPairs } from "./split_pairs.ts";
import { type TableInformation, tableInformation } from "./table_information.ts";
import { type ShuffledInformation, shuffledInformation } from "./shuffled_rows.ts";

/** What the network of one direction measured on the held-out rows, of the columns' normal scores. */
export interface InformationDirection extends NetworkInformation {
  /** Whose likelihood it is. */
  readonly likelihoodOf: "x" | "y";
}

/** What the mixture of the columns' ranks measured. */
export interface MixtureInformation {
  /** In nats. */
  readonly nats: number;
  /** Its standard error: of the rows, and of the parameters' number. */
  readonly stderr: number;
  /** By rows that the mixture was not fitted to, and by those that it was, whose mean it is. */
  readonly heldOut: number;
  /** See `heldOut`. */
  readonly fitted: number;
  /** Degrees of freedom of its Student distributions, infinite for Gaussians. */
  readonly dof: number;
  /** Of them, of all classes together where there are any. */
  readonly components: number;
  /** Of a label, each of which has a mixture of its own; none where one mixture is of all columns. */
  readonly classes?: number;
  /** Whether classes share components, in weights of their own. */
  readonly shared?: boolean;
  /** The numbers that learned maps take each side to before; none where the mixture is of the columns' own ranks. */
  readonly maps?: number;
}

/** I(X; Y) of columns, or I(X; Y | Z). */
export interface MutualInformation {
  /** In nats. */
  readonly nats: number;
  /** Its standard error: of the rows and the noise, not of what the model falls short of. */
  readonly stderr: number;
  /** Which of them it is. */
  readonly estimator: "mixture" | "network" | "table";
  /** The estimate by the table of two labels, in place of a mixture's. */
  readonly table?: TableInformation;
  /** The mixture's estimate, where there is one. */
  readonly mixture?: MixtureInformation;
  /** The mixture's estimates of shuffled rows, where they are asked for. */
  readonly shuffled?: ShuffledInformation;
  /** The network's estimate, where there is one: the difference of its errors, the mean of both directions where both are. */
  readonly network?: Estimate;
  /**
   * log p(x, y) − log p(x) − log p(y) of each row in nats, given Z where columns are, by the mixture that was not fitted to it,
   * or the table, where there is one: in the order of the rows, of a file's as they stand in it. Its mean is `heldOut`.
   */
  readonly perRow?: Float64Array;
  /** The sides that are one column of few values, with what the other tells of it; none where columns are given. */
  readonly labels: readonly InformedLabel[];
  /** What has to hold of an information, and whether it does. */
  readonly checks: InformationChecks;
  /** The part of it that is the Gaussian's with the covariance of the columns' normal scores. */
  readonly gaussianNats: number;
  /** Of all columns. */
  readonly rows: number;
  /** Those that the network was measured on. */
  readonly heldOutRows: number;
  /** What was done to columns with atoms, to be said beside the number. */
  readonly notes: readonly string[];
  /** Columns of X, from 0. */
  readonly x: readonly number[];
  /** Columns of Y, from 0. */
  readonly y: readonly number[];
  /** Columns that are given, from 0. */
  readonly z: readonly number[];
  /** What the network of each direction measured; none where there is none. */
  readonly directions: readonly InformationDirection[];
  /** What ran the tensors. */
  readonly engine: {
    readonly backend: string;
    readonly reason?: string;
    readonly threads: number;
    readonly versions: Readonly<Record<string, string>>;
  };
}

/**
 * Estimates the mutual information of columns by a mixture for their copula, or by one denoiser of x that is told y or
 * nothing, I(X; Y) = E[−log p(x)] − E[−log p(x | y)], or by both. Neither is a bound. Of two labels it is their table's.
 *
 * @param data A data set, or rows of numbers.
 * @throws {UserError} When columns are not there, do not vary, or determine each other linearly.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { Random } from "../random/random.ts";
 * import { mutualInformation } from "./information.ts";
 *
 * const random = Random.fromSeed(0);
 * const rows = Array.from({ length: 600 }, () => {
 *   const x = random.normal();
 *   return [x, x + random.normal()];
 * });
 * const { nats, stderr } = await mutualInformation(rows, { x: [0], y: [1] });
 * ok(Math.abs(nats - 0.5 * Math.log(2)) < 4 * stderr);
 * ```
 */
export async function mutualInformation(
  data: NamedDataset | Dataset | Rows,
  options: InformationOptions,
): Promise<MutualInformation> {
  requireAllowed(INFORMATION_RANGES, options);
  const o = { ...INFORMATION_DEFAULTS, ...options };
  const random = Random.fromSeed(o.seed ?? 0);
  const dataset = "train" in data ? data : wholeDataset(data);
  const width = sizeOf(dataset.shape);
  if (width < 2) {
    const what = "name" in data ? data.name : "The data";
    throw new UserError(`${what} has ${width} column, expected at least 2. Give a file of pairs.`);
  }
  const names = o.names ?? [];
  const columns = (option: string, given: string | readonly number[]) => {
    const text = typeof given === "string" ? given : given.join();
    if (text === "") throw new UsageError(`${option} is missing. Name its columns, as --x 0 --y 1-3.`);
    return parseColumns(option, text, width, names);
  };
  const [x, y] = [columns("--x", o.x), columns("--y", o.y)];
  const z = o.z === undefined || o.z.length === 0 ? [] : columns("--z", o.z);
  requireDisjoint(x, y, names, z);
  requireMixtureFor(o, z);
  const pairs = pairsOf(dataset, x, y, names, random.split("ties"), z);
  // A side with atoms, or of more columns, is better known than denoised: the likelihood is that of the other.
  const hasOne = pairs.hasAtoms.x !== pairs.hasAtoms.y;
  const auto = (hasOne ? pairs.hasAtoms.x : y.length < x.length) ? "y" : "x";
  const chosen = o.direction === "auto" ? auto : o.direction;
  const directions = chosen === "both" ? ["x", "y"] as const : [chosen] as const;
  // The same rows for both directions.
  const splitOf = (side: "x" | "y") => splitPairs(pairs.of(side), o.heldOut, random.split("split"));
  const { x: labelX, y: labelY } = pairs.labels;
  const table = labelX && labelY && z.length === 0 && o.estimator !== "network"
    ? tableInformation(labelX, labelY)
    : undefined;
  // What is infinite, or has no density, is told before anything is fitted. What labels tell is neither.
  if (!table) linearInformation(pairs.standardised);
  const gaussianNats = gaussianInformation(pairs);
  await o.onBegin?.();
  o.signal?.throwIfAborted();
  const { engine, reason } = await startEngine(o.backend ?? "auto", o.threads ?? defaultThreads(), [x.length]);
  try {
    const counts = { x: x.length, z: z.length, y: y.length };
    const all: MixtureRows = { ranks: pairs.ranks, columns: counts, labels: pairs.labels };
    const mixtureOf = (rows: MixtureRows, stream: Random, onFold?: (fold: CopulaFold, of: FoldKind) => void) =>
      mixtureInformation(engine, rows, stream, o.signal, onFold);
    const tableOf = ({ labels: { x, y } }: MixtureRows) => Promise.resolve(tableInformation(x!, y!));
    const asked = {
      ranks: new MixtureAnswers(counts, pairs.count, random.split("checks")),
      classes: new MixtureAnswers(counts, pairs.count, random.split("checks")),
      // What a map gives is no column of the data.
      maps: new MixtureAnswers({ x: 1, z: 0, y: 1 }, pairs.count, random.split("checks")),
    };
    const mixture = o.estimator === "network" || table
      ? undefined
      : await mixtureOf(all, random.split("mixture"), (fold, of) => asked[of].ask(fold));
    const known = table ?? mixture;
    const shuffled = known && o.shuffles > 0
      ? await shuffledInformation(known.nats, o.shuffles, all, random.split("shuffles"), table ? tableOf : mixtureOf)
      : undefined;
    const results: InformationDirection[] = [];
    for (const likelihoodOf of o.estimator === "mixture" || table ? [] : directions) {
      const { epochs, batchSize, learningRate, rounds, backend, seed, signal } = o;
      const measured = await networkInformation(splitOf(likelihoodOf), {
        ...given({ epochs, batchSize, learningRate, rounds, backend, seed, signal, threads: o.threads }),
        onEpoch: (epoch, nll) => o.onEpoch?.({ epoch, nll, direction: likelihoodOf }),
        onMeasure: () => o.onMeasure?.(),
      });
      results.push({ ...measured, likelihoodOf });
    }
    const network = results.length > 0 ? meanOf(results.map(({ difference }) => difference)) : undefined;
    const { backend, threads, versions } = engine;
    const { nats, stderr } = known ?? { nats: network!.mean, stderr: network!.stderr };
    const labels = z.length > 0 ? [] : (["x", "y"] as const).flatMap((side): InformedLabel[] => {
      const counts = pairs.labels[side]?.counts, [column] = side === "x" ? x : y;
      return counts ? [{ side, column, ...labelInformation(counts, { mean: nats, stderr }) }] : [];
    });
    const checks = {
      ...(results.length === 2
        ? { symmetry: differenceOf(results[0].difference.perRow, results[1].difference.perRow) }
        : {}),
      ...(mixture ? asked[mixture.classes ? "classes" : "ranks"].answers({ x, y }) : { columns: [] }),
      ...(mixture?.maps ? { normalisation: asked.maps.answers({ x, y }).normalisation } : {}),
    };
    const perRow = table?.perRow ?? (mixture && informationOf(mixture.perRow));
    return {
      ...{ nats, stderr, labels, checks: { ...checks, warnings: warningsOf(checks, labels, names) } },
      ...(perRow ? { perRow: placed(perRow, pairs.places) } : {}),
      ...{ gaussianNats, rows: pairs.count, heldOutRows: splitOf("x").test.x.count, notes: pairs.notes, x, y, z },
      estimator: table ? "table" : mixture ? "mixture" : "network",
      ...(mixture ? { mixture } : {}),
      ...(table ? { table } : {}),
      ...(shuffled ? { shuffled } : {}),
      ...(network ? { network } : {}),
      directions: results,
      engine: { backend, threads, versions, ...(reason === undefined ? {} : { reason }) },
    };
  } finally {
    await engine.dispose();
  }
}

function differenceOf(a: Float64Array, b: Float64Array): Estimate {
  return meanAndStderr(a.map((value, row) => value - b[row]));
}

/** Values of rows at these places. */
function placed(values: Float64Array, places: Uint32Array): Float64Array {
  const out = new Float64Array(values.length);
  values.forEach((value, row) => out[places[row]] = value);
  return out;
}

/** The information of columns that have the covariance of the normal scores, or of the values where Z is given. */
function gaussianInformation({ of, standardised: { x, y }, given }: PairedColumns): number {
  if (!given) return linearInformation(of("x"));
  // I(X; Y | Z) = I(X; Y, Z) − I(X; Z).
  const both = joined({ x: y, y: given });
  return linearInformation({ x, y: both }) - linearInformation({ x, y: given });
}

/** The mean of forms of one information on the same rows. */
function meanOf(forms: readonly InformationForm[]): Estimate {
  if (forms.length === 1) return { mean: forms[0].mean, stderr: forms[0].stderr };
  return meanAndStderr(
    forms[0].perRow.map((_, row) => forms.reduce((sum, { perRow }) => sum + perRow[row], 0) / forms.length),
  );
}

/** What is not left out. */
function given<T extends object>(values: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}

/** All rows as one part; which are held out is drawn later. */
function wholeDataset(rows: Rows): Dataset {
  const { values, dimension } = flatRows(rows);
  const n = values.length / dimension;
  const floats = applyAxisMap(values, standardisation(values, dimension));
  const cut = Math.max(1, n - 1) * dimension;
  return {
    shape: [dimension],
    train: floatSamples(floats.subarray(0, cut), dimension),
    validation: floatSamples(floats.subarray(cut), dimension),
  };
}
