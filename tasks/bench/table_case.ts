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
  /** −log P of held-out rows' numbers, and of these given the row's classes, in nats. */
  readonly nll: number;
  readonly nll_given_classes: number;
  readonly own: Errors;
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
  { python, json, signal }: { readonly python: string; readonly json: boolean; readonly signal: AbortSignal },
  runTask: RunTask,
): Promise<void> {
  await requirePackages(python, [{ module: "sklearn", install: "scikit-learn" }], "the case tables", signal);
  using progress = new Progress({ quiet: json });
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  try {
    progress.update({ label: "peers", done: 0, total: 1 });
    const script = fileURLToPath(new URL("table_peers.py", import.meta.url));
    const printed = await output(python, [script, tables, folder], signal, { OMP_NUM_THREADS: "2" });
    const peers: PeerResult[] = printed.trim().split("\n").map((line) => JSON.parse(line));
    for (const [i, peer] of peers.entries()) {
      progress.update({ label: "tables", done: i, total: peers.length, fields: [peer.table] });
      const part = (name: string) => join(folder, `${peer.table}-${name}.json`);
      const begun = performance.now(), run = join(folder, peer.table);
      await runTask("train_2d.ts", [part("train"), "--out", run, "--figures", "off"]);
      const nllOf = async (name: string) =>
        (await runTask("nll.ts", [run, "--data", part(name), "--rounds", "32"])).nats;
      const nll = await nllOf("numbers"), given = await nllOf("rows") - await nllOf("classes");
      await runTask("impute.ts", [run, part("holes"), "--mean", "--out", part("filled")]);
      const own = await errorsOf(join(folder, `${peer.table}-filled.unknown.csv`), part("truth"));
      const beaten = Object.fromEntries(
        Object.entries(peer.errors).map((
          [name, theirs],
        ) => [name, Object.keys(theirs).filter((c) => own[c] < theirs[c]).length]),
      );
      const seconds = Math.round((performance.now() - begun) / 100) / 10;
      const result = { ...peer, nll, nll_given_classes: given, own, beaten, seconds };
      console.log(json ? JSON.stringify({ case: "tables", ...result }) : linesOf(result).join("\n"));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Root mean square errors of the means that a file of unknown cells says, by columns. */
async function errorsOf(file: string, truth: string): Promise<Errors> {
  const taken: [number, string, number][] = JSON.parse(await Deno.readTextFile(truth));
  const means = await meansOf(file), squares = new Map<string, number[]>();
  for (const [row, column, value] of taken) {
    const mean = means.get(`${row} ${column}`);
    if (mean === undefined) throw new Error(`${file} does not say ${column} of row ${row}.`);
    squares.set(column, [...squares.get(column) ?? [], (mean - value) ** 2]);
  }
  const root = (own: readonly number[]) => Math.sqrt(own.reduce((sum, value) => sum + value / own.length, 0));
  return Object.fromEntries([...squares].map(([column, own]) => [column, root(own)]));
}

async function meansOf(file: string): Promise<Map<string, number>> {
  const table = await openTable(file), types = new Map([["column", { kind: "class" } as const]]);
  const { schema } = await inferSchema(table, { columns: ["row", "column", "mean"], types });
  const { cells, count } = await readCells(schema, table), width = schema.columns.length;
  const place = (name: string) => schema.columns.findIndex((column) => column.name === name);
  const names = schema.columns[place("column")], means = new Map<string, number>();
  for (let i = 0; i < count && names.kind === "class"; i++) {
    const at = (name: string) => cells[i * width + place(name)];
    means.set(`${at("row")} ${names.levels[at("column")]}`, at("mean"));
  }
  return means;
}

/** What the terminal shows of a table. */
export function linesOf(
  { table, mixture, nll, nll_given_classes, own, errors, beaten, seconds }: TableResult,
): string[] {
  const width = Math.max(...Object.keys(own).map((column) => column.length)), peers = Object.keys(errors);
  const shown = (value: number) => String(Number(value.toPrecision(4))).padStart(12);
  return [
    `${table}: ${mixture.rows} held-out rows, ${seconds} s`,
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
    `  nearer on ${peers.map((peer) => `${beaten[peer]} of ${Object.keys(own).length} than ${peer}`).join(", ")}`,
  ];
}
