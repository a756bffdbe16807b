/**
 * Runs cases on one backend, for a process of its own, which a driver may end: `run_backend.ts BACKEND THREADS
 * [CASES [FROM]]`. It prints a line of JSON when the backend has started and one for each case whose name has CASES in
 * it, of these from number FROM on, or why it does not start, and one at the end. Without CASES it runs none.
 *
 * @module
 */
import { messageOf } from "../../core/errors/user_error.ts";
import { BackendError, BACKENDS, createEngine, type Engine } from "../../core/engine/mod.ts";
import { CASES } from "./cases.ts";
import type { CaseReport, ReportLine } from "./report.ts";

const [name, threads, wanted, from = "0"] = Deno.args;
const cases = wanted === undefined ? [] : CASES.filter(({ name }) => name.includes(wanted)).slice(Number(from));

function print(line: ReportLine): void {
  console.log(JSON.stringify(line));
}

async function start(): Promise<Engine | undefined> {
  try {
    const engine = await createEngine(BACKENDS.find((backend) => backend === name)!, Number(threads));
    const names = cases.map(({ name }) => name);
    print({ kind: "start", threads: engine.threads, versions: engine.versions, cases: names });
    return engine;
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    print({ kind: "absent", reason: error.message });
  }
}

const engine = await start();
if (engine) {
  for (const { name, reference, run } of cases) {
    const begun = performance.now();
    let result: Pick<CaseReport, "deviations" | "failure">;
    try {
      result = { deviations: await run(engine) };
    } catch (error) {
      result = { deviations: [], failure: messageOf(error) };
    }
    print({ kind: "case", name, reference, seconds: (performance.now() - begun) / 1000, ...result });
  }
  engine.dispose();
  print({ kind: "end" });
}
