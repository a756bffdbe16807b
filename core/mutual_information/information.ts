import { type Estimate, meanAndStderr } from "../diffusion/likelihood.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import type { Dataset } from "../plugins/contracts.ts";
import { defaultThreads, startEngine } from "../engine/start.ts";
import { UserError } from "../errors/user_error.ts";
import { UsageError } from "../errors/usage_error.ts";
import { floatSamples, toFloat32 } from "../data/samples.ts";
import { applyAxisMap, standardisation } from "../data/standardisation.ts";
import { sizeOf } from "../data/tensors.ts";
import type { NamedDataset } from "../model/load_data.ts";
import { flatRows, type Rows } from "../model/rows.ts";
import { requireAllowed } from "../options/given.ts";
import { unconditional } from "../plugins/conditional_denoiser.ts";
import { Random } from "../random/random.ts";
import * as mlp from "../../denoisers/mlp.ts";
import { type InformationChecks, MixtureAnswers, warningsOf } from "./checks.ts";
import { parseColumns, requireDisjoint } from "./columns.ts";
import { type CopulaDensities, type CopulaFold, informationOf } from "./copula_fits.ts";
import {
  combinedInformation,
  type ErrorCurves,
  type Information,
  measureInformation,
  type SplitPairs,
  splitPairs,
} from "./estimate.ts";
import {
  INFORMATION_DEFAULTS,
  INFORMATION_RANGES,
  type InformationOptions,
  requireMixtureFor,
} from "./information_options.ts";
import { type InformedLabel, labelInformation } from "./label_entropy.ts";
import { fitLinearPart, joined } from "./linear_part.ts";
import { type FoldKind, mixtureInformation, type MixtureRows } from "./mixture_information.ts";
import { type PairedColumns, pairsOf } from "./pairs.ts";
import { type ShuffledInformation, shuffledInformation } from "./shuffled_rows.ts";
import { type TableInformation, tableInformation } from "./table_information.ts";

/** What one direction measured, on the held-out rows and the standardised columns. */
export interface InformationDirection {
  /** Whose likelihood it is. */
  readonly likelihoodOf: "x" | "y";
  /** E[−log p] in nats, without the other side and given it. */
  readonly nll: { readonly marginal: Estimate; readonly conditional: Estimate };
  /** The epochs that were kept, of the network without the other side and of the one with it. */
  readonly bestEpochs: readonly [marginal: number, conditional: number];
  /** The log SNRs that were measured on. */
  readonly proposal: Proposal;
  /** Optimiser steps of both networks. */
  readonly steps: number;
  /** Parameters of both networks. */
  readonly parameters: number;
  /** Mean squared errors over log SNR, where `curvePoints` asks for them. */
  readonly curves?: ErrorCurves;
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
  readonly estimator: "mixture" | "networks" | "table";
  /** The estimate by the table of two labels, in place of a mixture's. */
  readonly table?: TableInformation;
  /** The mixture's estimate, where there is one. */
  readonly mixture?: MixtureInformation;
  /** The mixture's estimates of shuffled rows, where they are asked for. */
  readonly shuffled?: ShuffledInformation;
  /** The networks' estimate, where there is one. */
  readonly networks?: Estimate;
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
  /** Those that it was measured on. */
  readonly heldOutRows: number;
  /** What was done to columns with atoms, to be said beside the number. */
  readonly notes: readonly string[];
  /** Columns of X, from 0. */
  readonly x: readonly number[];
  /** Columns of Y, from 0. */
  readonly y: readonly number[];
  /** Columns that are given, from 0. */
  readonly z: readonly number[];
  /** What the networks of each direction measured; none where there are none. */
  readonly directions: readonly InformationDirection[];
  /** How both networks were trained and measured. */
  readonly settings: {
    /** Passes through the training rows. */
    readonly epochs: number;
    /** Rows in a training step. */
    readonly batchSize: number;
    /** Adam's. */
    readonly learningRate: number;
    /** Log SNRs per row in the measurement. */
    readonly levels: number;
    /** Log SNRs per row in a validation. */
    readonly validationLevels: number;
  };
  /** What ran the tensors. */
  readonly engine: {
    readonly backend: string;
    readonly reason?: string;
    readonly threads: number;
    readonly versions: Readonly<Record<string, string>>;
  };
}

/** Held-out rows that the curves are measured on at most. */
const CURVE_ROWS = 1000;

/**
 * Estimates the mutual information of columns by a mixture for their copula, and by two denoisers of which one sees y, I(X; Y)
 * = E[−log p(x)] − E[−log p(x | y)]; of the two, that under which held-out rows are the likelier. It is no bound. Of two
 * labels it is their table's.
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
 * const { nats, stderr } = await mutualInformation(rows, { x: [0], y: [1], epochs: 2 });
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
  // A side with atoms is better known than denoised: the likelihood is that of the other.
  const auto = pairs.hasAtoms.x && !pairs.hasAtoms.y ? "y" : "x";
  const chosen = o.direction === "auto" ? auto : o.direction;
  const directions = chosen === "both" ? ["x", "y"] as const : [chosen] as const;
  // The same rows for both directions.
  const splitOf = (side: "x" | "y") => splitPairs(pairs.of(side), o.heldOut, random.split("split"));
  const trained = splitOf("x").train.x.count, heldOut = splitOf("x").test.x.count;
  if (o.batchSize > trained) {
    throw new UserError(`--batch-size is ${o.batchSize}, but there are ${trained} training rows. Give at most that.`);
  }
  const { x: labelX, y: labelY } = pairs.labels;
  const table = labelX && labelY && z.length === 0 && o.estimator !== "networks"
    ? tableInformation(labelX, labelY)
    : undefined;
  // What is infinite, or has no density, is told before anything is fitted. What labels tell is neither.
  if (!table) fitLinearPart(pairs.standardised);
  const gaussianNats = gaussianInformation(pairs);
  await o.onBegin?.();
  o.signal?.throwIfAborted();
  const { hiddenSize, hiddenLayers, embedding, embeddingSize } = o;
  const network = { hiddenSize, hiddenLayers, embedding, embeddingSize, skip: true };
  const { epochs, batchSize, learningRate, levels, validationLevels } = o;
  const settings = { epochs, batchSize, learningRate, levels, validationLevels };
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
    const mixture = o.estimator === "networks" || table
      ? undefined
      : await mixtureOf(all, random.split("mixture"), (fold, of) => asked[of].ask(fold));
    const known = table ?? mixture;
    const shuffled = known && o.shuffles > 0
      ? await shuffledInformation(known.nats, o.shuffles, all, random.split("shuffles"), table ? tableOf : mixtureOf)
      : undefined;
    const results: (Information & { likelihoodOf: "x" | "y" })[] = [];
    for (const direction of o.estimator === "mixture" || table || z.length > 0 ? [] : directions) {
      const measured = await measureInformation(
        engine,
        splitOf(direction),
        {
          marginal: (info) => unconditional(mlp.create(info, network)),
          conditional: (info, condition) => mlp.createConditional(info, condition, network),
        },
        { ...settings, curvePoints: o.curvePoints ?? 0, curveRows: CURVE_ROWS },
        random.split(direction),
        {
          ...(o.signal ? { signal: o.signal } : {}),
          onEpoch: (which, epoch) => o.onEpoch?.({ ...epoch, direction, which }, 2 * directions.length * epochs),
          onMeasure: () => o.onMeasure?.(),
        },
      );
      results.push({ ...measured, likelihoodOf: direction });
    }
    const networks = results.length > 0 ? combinedInformation(results) : undefined;
    const isMixture = !networks || mixture && !areNetworksLikelier(mixture.perRow, splitOf("x"), results);
    const estimator = table ? "table" : isMixture ? "mixture" : "networks";
    const { backend, threads, versions } = engine;
    const { nats, stderr } = isMixture ? known! : { nats: networks.mean, stderr: networks.stderr };
    const labels = z.length > 0 ? [] : (["x", "y"] as const).flatMap((side): InformedLabel[] => {
      const counts = pairs.labels[side]?.counts, [column] = side === "x" ? x : y;
      return counts ? [{ side, column, ...labelInformation(counts, { mean: nats, stderr }) }] : [];
    });
    const checks = {
      ...(results.length === 2 ? { symmetry: differenceOf(results[0].perRow, results[1].perRow) } : {}),
      ...(mixture ? asked[mixture.classes ? "classes" : "ranks"].answers({ x, y }) : { columns: [] }),
      ...(mixture?.maps ? { normalisation: asked.maps.answers({ x, y }).normalisation } : {}),
    };
    const perRow = table?.perRow ?? (mixture && informationOf(mixture.perRow));
    return {
      ...{ nats, stderr, labels, checks: { ...checks, warnings: warningsOf(checks, labels, names) } },
      ...(perRow ? { perRow: placed(perRow, pairs.places) } : {}),
      ...{ estimator, gaussianNats, rows: pairs.count, heldOutRows: heldOut, notes: pairs.notes, x, y, z },
      ...(mixture ? { mixture } : {}),
      ...(table ? { table } : {}),
      ...(shuffled ? { shuffled } : {}),
      ...(networks ? { networks } : {}),
      ...{ directions: results, settings },
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
  if (!given) return fitLinearPart(of("x")).information;
  // I(X; Y | Z) = I(X; Y, Z) − I(X; Z).
  const both = joined({ x: y, y: given });
  return fitLinearPart({ x, y: both }).information - fitLinearPart({ x, y: given }).information;
}

/** log φ(z) = −½·z² − this. */
const NORMALISER = 0.5 * Math.log(2 * Math.PI);

/**
 * Whether the networks find the held-out rows of a side given the other likelier than the mixture does, by more than two
 * standard errors. The densities are those of the ranks, so that they compare.
 */
function areNetworksLikelier(
  { joint, x, y }: CopulaDensities,
  { test, testRows }: SplitPairs,
  networks: readonly (Information & { readonly likelihoodOf: "x" | "y" })[],
): boolean {
  const gains = new Float64Array(testRows.length);
  for (const { likelihoodOf, conditionalPerRow } of networks) {
    const condition = likelihoodOf === "x" ? y : x, { dimension: d } = test[likelihoodOf];
    const scores = toFloat32(test[likelihoodOf]);
    testRows.forEach((row, i) => {
      const margins = scores.subarray(i * d, (i + 1) * d).reduce((sum, z) => sum - z * z / 2 - NORMALISER, 0);
      gains[i] += -conditionalPerRow[i] - margins - (joint[row] - condition[row]);
    });
  }
  const { mean, stderr } = meanAndStderr(gains);
  return mean > 2 * stderr;
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
