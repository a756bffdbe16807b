import { main, parseCommandLine, Progress, UsageError } from "../../core/cli/mod.ts";
import { type Backend, BACKENDS } from "../../core/engine/mod.ts";
import { runBackend } from "./backend_process.ts";
import { CASES } from "./cases.ts";
import { type BackendReport, faultsOfBackend, reportTable } from "./report.ts";

await main(async () => {
  const { options, positional } = await parseCommandLine({
    name: "conformance",
    summary: "Checks the values, gradients and training steps of the backends against their references.",
    positional: [{
      name: "backends",
      help: "Those to check, with commas, as onnx-webgpu,tfjs-node: each must be there. Without it, all that are there",
      default: "all",
    }],
    options: {
      case: { default: "", placeholder: "text", help: "Only the cases whose name has this in it." },
      threads: { default: 2, min: 1, max: 1024, integer: true, help: "Threads on the processor." },
      json: { default: false, help: "Print one line of JSON per backend, and nothing else." },
    },
  }, Deno.args);
  const backends = backendsOf(positional.backends);
  const cases = CASES.filter(({ name }) => name.includes(options.case));
  if (cases.length === 0) {
    const names = CASES.map(({ name }) => name).join("; ");
    throw new UsageError(`No case has "${options.case}" in its name; the cases are ${names}.`);
  }
  using progress = new Progress({ quiet: options.json });
  const reports: BackendReport[] = [];
  for (const [i, backend] of backends.entries()) {
    let done = i * cases.length;
    const update = () => progress.update({ label: backend, done, total: backends.length * cases.length });
    update();
    const report = await runBackend(backend, {
      threads: options.threads,
      cases: options.case,
      onCase() {
        done++;
        update();
      },
    });
    reports.push(report);
    if (options.json) console.log(JSON.stringify(report));
  }
  progress.finish();
  if (!options.json) console.log(reportTable(reports));
  const named = positional.backends !== "all";
  const failed = reports.some((r) => faultsOfBackend(r).length > 0 || (named && r.not_tried !== undefined));
  if (failed) Deno.exitCode = 1;
});

/** @throws {UsageError} For a name that is none. */
function backendsOf(names: string): readonly Backend[] {
  if (names === "all") return BACKENDS;
  return names.split(",").map((name) => {
    const backend = BACKENDS.find((each) => each === name.trim());
    if (backend) return backend;
    throw new UsageError(`There is no backend ${name}; the backends are ${BACKENDS.join(", ")}.`);
  });
}
