import { equal } from "assert";
import { storageError } from "../../../core/io/atomic.ts";
import { failureOf } from "../../../core/sweep/errors.ts";

Deno.test("runs that a full disk ended are exit code 2, as any task on it, and runs that something else ended 1", () => {
  const full = storageError("run/metrics.jsonl", Object.assign(new Error("no space"), { code: "ENOSPC" })).message;
  equal(failureOf("2 of 2 runs failed", [full, full]).exitCode, 2);
  equal(failureOf("2 of 2 runs failed", [full, "The loss is NaN."]).exitCode, 1);
});
