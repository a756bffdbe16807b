import { defaultThreads, startEngine } from "../engine/start.ts";
import type { BackendChoice } from "../engine/mod.ts";
import { UserError } from "../errors/user_error.ts";
import { sizeOf } from "../data/tensors.ts";
import type { NamedDataset } from "../model/load_data.ts";
import { SETTINGS } from "../model/setting_ranges.ts";
import { requireAllowed } from "../options/given.ts";
import type { Dataset } from "../plugins/contracts.ts";
import { Random } from "../random/random.ts";
import { parseColumns } from "./columns.ts";
import { mixtureInformation } from "./mixture_information.ts";
import { pairsOf } from "./pairs.ts";
import { tableInformation } from "./table_information.ts";

/** Columns of a matrix at most: their pairs take seconds each. */
const MOST_COLUMNS = 64;

/** Which columns, and how their information is estimated. */
export interface MatrixOptions {
  /** Numbers from 0, or as text with ranges and names, as `"0-4,height"`; all if left out. */
  readonly columns?: string | readonly number[];
  /** Names of the columns, by which `columns` may name them. */
  readonly names?: readonly string[];
  /** Decides all that is drawn, 0 if left out. */
  readonly seed?: number;
  /** What runs the tensors. */
  readonly backend?: BackendChoice;
  /** On the processor. */
  readonly threads?: number;
  /** Ends it soon after, with its reason as the error. */
  readonly signal?: AbortSignal;
  /** Called once the columns are known to be usable. */
  readonly onBegin?: () => void | Promise<void>;
  /** Called after each pair, with the number of those that are done, and of all. */
  readonly onPair?: (done: number, total: number) => void;
}

/** I(Xᵢ; Xⱼ) of each pair of columns. */
export interface InformationMatrix {
  /** From 0. */
  readonly columns: readonly number[];
  /** In nats, `[columns][columns]`, symmetric; infinite on the diagonal, and where one column is a monotone function of the other. */
  readonly nats: readonly (readonly number[])[];
  /** Standard errors of them, 0 where they are infinite. */
  readonly stderr: readonly (readonly number[])[];
  /** Of the data. */
  readonly rows: number;
  /** What was done to columns with atoms. */
  readonly notes: readonly string[];
  /** What ran the tensors. */
  readonly engine: {
    readonly backend: string;
    readonly reason?: string;
    readonly threads: number;
    readonly versions: Readonly<Record<string, string>>;
  };
}

/**
 * Estimates the mutual information of each pair of columns by mixtures, and of two labels by their table.
 *
 * @param data A data set.
 * @throws {UserError} When columns are not there, are too many, or do not vary.
 */
export async function informationMatrix(
  data: NamedDataset | Dataset,
  options: MatrixOptions = {},
): Promise<InformationMatrix> {
  const { seed = 0, backend = "auto", threads = defaultThreads(), names = [], signal } = options;
  requireAllowed({ seed: SETTINGS.seed, backend: SETTINGS.backend, threads: SETTINGS.threads }, options);
  const columns = columnsOf(options, sizeOf(data.shape), names);
  const random = Random.fromSeed(seed), n = columns.length;
  const pairs = columns.flatMap((_, i) => Array.from({ length: i }, (_, j) => [i, j] as const));
  const rowsOf = ([i, j]: readonly [number, number]) =>
    pairsOf(data, [columns[i]], [columns[j]], names, random.split("ties"));
  const nats = columns.map(() => new Array<number>(n).fill(Infinity));
  const stderr = columns.map(() => new Array<number>(n).fill(0));
  const notes = new Set<string>();
  let rows = 0;
  // What is wrong with a column is told before any pair is fitted.
  for (const i of columns.keys()) rowsOf([i, i === 0 ? 1 : 0]);
  await options.onBegin?.();
  const { engine, reason } = await startEngine(backend, threads, [1]);
  try {
    for (const [done, [i, j]] of pairs.entries()) {
      signal?.throwIfAborted();
      const pair = rowsOf([i, j]);
      rows = pair.count;
      pair.notes.forEach((note) => notes.add(note));
      if (!isMonotone(pair.ranks)) {
        const stream = random.split("pair").split(i).split(j);
        const { ranks, labels } = pair, rows = { ranks, labels, columns: { x: 1, z: 0, y: 1 } };
        const one = labels.x && labels.y
          ? tableInformation(labels.x, labels.y)
          : await mixtureInformation(engine, rows, stream, signal);
        nats[i][j] = nats[j][i] = one.nats;
        stderr[i][j] = stderr[j][i] = one.stderr;
      }
      options.onPair?.(done + 1, pairs.length);
    }
    return {
      ...{ columns, nats, stderr, rows, notes: [...notes] },
      engine: {
        ...{ backend: engine.backend, threads: engine.threads, versions: engine.versions },
        ...(reason === undefined ? {} : { reason }),
      },
    };
  } finally {
    await engine.dispose();
  }
}

function columnsOf({ columns }: MatrixOptions, width: number, names: readonly string[]): number[] {
  const text = columns === undefined ? "" : typeof columns === "string" ? columns : columns.join();
  const chosen = text === "" ? Array.from({ length: width }, (_, i) => i) : parseColumns("--x", text, width, names);
  if (chosen.length >= 2 && chosen.length <= MOST_COLUMNS) return chosen;
  throw new UserError(
    `A matrix of ${chosen.length} columns was asked for, expected from 2 to ${MOST_COLUMNS}. Name some of them by --x.`,
  );
}

/** Whether the ranks of two columns, side by side, are the same or each other's opposite. */
function isMonotone(ranks: Uint32Array): boolean {
  const n = ranks.length / 2;
  const every = (of: (rank: number) => number) => {
    for (let i = 0; i < ranks.length; i += 2) if (ranks[i + 1] !== of(ranks[i])) return false;
    return true;
  };
  return every((rank) => rank) || every((rank) => n - 1 - rank);
}
