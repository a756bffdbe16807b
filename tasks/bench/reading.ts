import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Figures } from "./case_figures.ts";
import { output, requirePackages } from "./output.ts";
import { type MeasureOptions, runCase } from "./processes.ts";
import { type ReadResult, writeTable } from "./read_case.ts";

/** What reading and standardising a table takes, and beside it what it takes with pandas. */
export async function measuredReading(
  options: MeasureOptions & { readonly rows: number; readonly vsPython: boolean },
): Promise<Figures> {
  const { python, signal, rows, vsPython } = options;
  if (vsPython) await requirePackages(python, [{ module: "pandas", install: "pandas" }], "--vs-python", signal);
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  try {
    const path = join(folder, "table.csv");
    await writeTable(path, rows, signal);
    const ours = await runCase<ReadResult>("read", options, 0, [path]);
    if (!vsPython) return { ...ours };
    const script = fileURLToPath(new URL("./read_peer.py", import.meta.url));
    const peer = JSON.parse(await output(python, [script, path], signal));
    return {
      ...ours,
      peer: peer.peer,
      peer_seconds: peer.seconds,
      peer_seconds_not_exact: peer.seconds_not_exact,
      peer_peak_mb: peer.peak_mb,
      time_ratio: ours.seconds / peer.seconds,
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
