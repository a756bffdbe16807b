import { deepEqual, equal } from "assert";
import { BACKENDS } from "../../core/engine/mod.ts";
import { LOCAL_BACKENDS } from "../backends.ts";
import { runBackend } from "../conformance/backend_process.ts";
import { CASES } from "../conformance/cases.ts";
import { despiteCrashes } from "./driver_crash.ts";
import { absence, faultsOfBackend, reportTable } from "../conformance/report.ts";

/** Backends that have to be there, by their names with spaces: there, what is absent fails. */
const REQUIRED = (Deno.env.get("REQUIRED_BACKENDS") ?? "").split(/\s+/).filter((name) => name !== "");

for (const name of REQUIRED) {
  if (!BACKENDS.some((backend) => backend === name)) {
    throw new Error(`REQUIRED_BACKENDS has ${name}; the backends are ${BACKENDS.join(", ")}.`);
  }
}

const THREADS = 2;

/** Whose conformance, which takes minutes in software, is part of what doctor_gpu.ts has `doctor --gpu` try. */
const TRIED_BY_DOCTOR = "onnx-webgpu";

for (const backend of BACKENDS) {
  if (backend === TRIED_BY_DOCTOR || LOCAL_BACKENDS.some((local) => local === backend)) continue;
  const { not_tried } = await runBackend(backend, { threads: THREADS });
  const ignore = not_tried !== undefined && !REQUIRED.includes(backend);
  if (ignore) console.log(absence(backend, not_tried));
  Deno.test({
    name: ignore ? absence(backend, not_tried) : `${backend}: every conformance case is within its tolerance`,
    ignore,
    async fn() {
      const report = await despiteCrashes(
        () => runBackend(backend, { threads: THREADS, cases: "" }),
        ({ ended }) => /ended by SIG(SEGV|ABRT)/.test(ended ?? ""),
      );
      console.log(reportTable([report]));
      equal(report.not_tried, undefined, `${backend} has to be there: ${report.not_tried}`);
      deepEqual(faultsOfBackend(report), []);
      equal(report.cases.length, CASES.length);
    },
  });
}
