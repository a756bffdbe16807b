import { type Backend, createEngine, type Engine } from "../../core/engine/mod.ts";
import { messageOf } from "../../core/errors/user_error.ts";
import type { BackendRecord } from "./backends.ts";

/**
 * Tries one backend and prints what is found, a line of JSON at a time. It has a process of its own, since a driver may
 * end the process or never return.
 */
const [backend, threads] = Deno.args;

let engine: Engine | undefined;
try {
  engine = await createEngine(backend as Backend, Number(threads));
} catch (error) {
  print({ kind: "absent", reason: oneLine(error) });
}
if (engine) {
  try {
    print({ kind: "started", threads: engine.threads, precisions: engine.precisions, versions: engine.versions });
    const { checkValues } = await import("./correctness.ts");
    print({ kind: "values", ...await checkValues(engine) });
    const { timeConvolution, timeTrainingStep } = await import("./speed.ts");
    print({ kind: "step", ms: await timeTrainingStep(engine) });
    print({ kind: "convolution", ms: await timeConvolution(engine) });
  } catch (error) {
    print({ kind: "failed", reason: oneLine(error) });
  }
  engine.dispose();
}

function print(record: BackendRecord): void {
  console.log(JSON.stringify(record));
}

function oneLine(error: unknown): string {
  return messageOf(error).trim().replaceAll(/\s*\n\s*/g, " ");
}
