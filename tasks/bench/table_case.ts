import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Progress } from "../../core/cli/mod.ts";
import { readCells } from "../../core/tables/cells.ts";
import { inferSchema } from "../../core/tables/infer_types.ts";
import { openTable } from "../../core/tables/open_table.ts";
import { output, requirePackages } from "./output.ts";

/** Errors of imputed numbers by columns, in their own units. */
type Errors = Readonly<Record<string, number>>;

/** What scikit-learn makes of a table. */
interface PeerResult {
  readonly table: string;
  readonly mixture: {
    readonly nll: number;
    readonly stderr: number;
    readonly components: number;
    readonly rows: number;
  };
  readonly errors: Readonly<Record<string, Errors>>;
}

/** What is measured of a table. */
interface TableResult extends PeerResult {
  /** Which rows are held out. */
  readonly split: number;
  /** −log P of held-out rows' numbers, and of these given the row's classes, in nats. */
  readonly nll: number;
  readonly nll_given_classes: number;
  readonly own: Errors;
  /** The part of the values that were taken away that are in their 90 % intervals. */
  readonly covered: number;
  /** Columns of which the imputed means are nearer than each peer's. */
  readonly beaten: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** Runs a task as a user starts it. */
type RunTask = (script: string, args: readonly string[]) => Promise<Record<string, number>>;

/**
 * Tables with classes and holes straight from their files: held-out likelihoods and imputed numbers beside scikit-learn's.
 *
 * @param tables The folder that has penguins.json, cars.json and movies.json of vega-datasets.
 */
export async function measureTables(
  tables: string,
  { python, splits, json, signal }: {
    readonly python: string;
    readonly splits: number;
    readonly json: boolean;
    readonly signal: AbortSignal;
  },
  runTask: RunTask,
): Promise<void> {
  await requirePackages(python, [{ module: "sklearn", install: "scikit-learn" }], "the case tables", signal);
  using progress = new Progress({ quiet: json });
  const folder = await Deno.makeTempDir({ prefix: "bench-" }), results: TableResult[] = [];
  try {
    for (let split = 0; split < splits; split++) {
      progress.update({ label: "peers", done: split, total: splits });
      const script = fileURLToPath(new URL("table_peers.py", import.meta.url)), own = join(folder, String(split));
      await Deno.mkdir(own);
      const printed = await output(python, [script, tables, own, String(split)], signal, { OMP_NUM_THREADS: "2" });
      const peers: PeerResult[] = printed.trim().split("\n").map((line) => JSON.parse(line));
      for (const peer of peers) {
        const done = results.length, total = splits * peers.length;
        progress.update({ label: "tables", done, total, fields: [peer.table] });
        const result = { ...await measureTable(own, peer, runTask), split };
        results.push(result);
        console.log(json ? JSON.stringify({ case: "tables", ...result }) : linesOf(result).join("\n"));
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  if (splits > 1 && !json) console.log(meanLines(results).join("\n"));
}

/** Trains on a table's rows and measures those that are held out. @param folder With the parts of the table. */
async function measureTable(
  folder: string,
  peer: PeerResult,
  runTask: RunTask,
): Promise<Omit<TableResult, "split">> {
  const part = (name: string) => join(folder, `${peer.table}-${name}.json`);
  const begun = performance.now(), run = join(folder, peer.table);
  await runTask("train_2d.ts", [part("train"), "--out", run, "--figures", "off"]);
  const nllOf = async (name: string) => (await runTask("nll.ts", [run, "--data", part(name), "--rounds", "32"])).nats;
  const nll = await nllOf("numbers"), given = await nllOf("rows") - await nllOf("classes");
  await runTask("impute.ts", [run, part("holes"), "--mean", "--out", part("filled")]);
  const { own, covered } = await imputed(join(folder, `${peer.table}-filled.unknown.csv`), part("truth"));
  const beaten = Object.fromEntries(
    Object.entries(peer.errors).map((
      [name, theirs],
    ) => [name, Object.keys(theirs).filter((c) => own[c] < theirs[c]).length]),
  );
  const seconds = Math.round((performance.now() - begun) / 100) / 10;
  return { ...peer, nll, nll_given_classes: given, own, covered, beaten, seconds };
}

/** Of the means that a file of unknown cells says the root mean square errors by columns, and how many intervals hold. */
async function imputed(file: string, truth: string): Promise<{ readonly own: Errors; readonly covered: number }> {
  const taken: [number, string, number][] = JSON.parse(await Deno.readTextFile(truth));
  const cells = await imputedCells(file), squares = new Map<string, number[]>();
  let covered = 0;
  for (const [row, column, value] of taken) {
    const cell = cells.get(`${row} ${column}`);
    if (!cell) throw new Error(`${file} does not say ${column} of row ${row}.`);
    squares.set(column, [...squares.get(column) ?? [], (cell.mean - value) ** 2]);
    if (cell.low_5 <= value && value <= cell.high_95) covered += 1 / taken.length;
  }
  const root = (own: readonly number[]) => Math.sqrt(own.reduce((sum, value) => sum + value / own.length, 0));
  return { own: Object.fromEntries([...squares].map(([column, own]) => [column, root(own)])), covered };
}

const SAID = ["mean", "low_5", "high_95"] as const;

async function imputedCells(file: string): Promise<Map<string, Record<typeof SAID[number], number>>> {
  const table = await openTable(file), types = new Map([["column", { kind: "class" } as const]]);
  const { schema } = await inferSchema(table, { columns: ["row", "column", ...SAID], types });
  const { cells, count } = await readCells(schema, table), width = schema.columns.length;
  const place = (name: string) => schema.columns.findIndex((column) => column.name === name);
  const names = schema.columns[place("column")], said = new Map<string, Record<typeof SAID[number], number>>();
  for (let i = 0; i < count && names.kind === "class"; i++) {
    const at = (name: string) => cells[i * width + place(name)];
    const [mean, low_5, high_95] = SAID.map(at);
    said.set(`${at("row")} ${names.levels[at("column")]}`, { mean, low_5, high_95 });
  }
  return said;
}

/** What the terminal shows of a table. */
export function linesOf(
  { table, split, mixture, nll, nll_given_classes, own, covered, errors, beaten, seconds }: TableResult,
): string[] {
  const width = Math.max(...Object.keys(own).map((column) => column.length)), peers = Object.keys(errors);
  const shown = (value: number) => String(Number(value.toPrecision(4))).padStart(12);
  return [
    `${table}, split ${split}: ${mixture.rows} held-out rows, ${seconds} s`,
    `  −log P of the numbers          ${nll.toFixed(3)} nats, given the classes ${nll_given_classes.toFixed(3)}`,
    `  scikit-learn's mixture of ${String(mixture.components).padEnd(2)}   ${mixture.nll.toFixed(3)} ± ${
      mixture.stderr.toFixed(3)
    }`,
    `  error of imputed means  ${"".padEnd(width - 22)}${"ours".padStart(12)}${
      peers.map((peer) => peer.padStart(18)).join("")
    }`,
    ...Object.keys(own).map((column) =>
      `    ${column.padEnd(width)}${shown(own[column])}${
        peers.map((peer) => shown(errors[peer][column]).padStart(18)).join("")
      }`
    ),
    `  nearer on ${peers.map((peer) => `${beaten[peer]} of ${Object.keys(own).length} than ${peer}`).join(", ")}; ${
      (100 * covered).toFixed(1)
    } % in 90 % intervals`,
  ];
}

/** What several splits of each table have in the mean. */
export function meanLines(results: readonly TableResult[]): string[] {
  return [...new Set(results.map(({ table }) => table))].map((table) => {
    const own = results.filter((result) => result.table === table);
    const mean = (of: (result: TableResult) => number) => own.reduce((sum, result) => sum + of(result) / own.length, 0);
    const gain = mean(({ nll, mixture }) => mixture.nll - nll);
    const spread = Math.sqrt(
      own.reduce((sum, { nll, mixture }) => sum + (mixture.nll - nll - gain) ** 2, 0) / (own.length - 1) / own.length,
    );
    return `${table}: −log P ${mean(({ nll }) => nll).toFixed(3)} nats, given the classes ${
      mean((result) => result.nll_given_classes).toFixed(3)
    }, of scikit-learn's mixture ${mean(({ mixture }) => mixture.nll).toFixed(3)}: ${gain.toFixed(3)} ± ${
      spread.toFixed(3)
    } above; ${(100 * mean(({ covered }) => covered)).toFixed(1)} % in 90 % intervals, of ${own.length} splits`;
  });
}
