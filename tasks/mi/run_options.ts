import { existsSync } from "node:fs";
import { join } from "node:path";
import { type TaskOption, UsageError } from "../../core/cli/mod.ts";
import { ROUNDS } from "../../core/evaluation/take_rounds.ts";
import { SETTINGS } from "../../core/model/setting_ranges.ts";
import { MEASURING } from "../../core/model/use_ranges.ts";
import { optionName } from "../../core/options/names.ts";
import { PARTS, readingOptions } from "../../core/run/evaluation_data.ts";
import { isCheckpoint } from "../../core/run/open_weights.ts";
import { trustOption } from "../../core/run/options.ts";

/** The help of an option of a file that only a run's data heeds. */
function ofRun(help: string): string {
  return help.replace(/^Of a file:/, "Of a run's --data:");
}

/** Options that only the information of a run heeds. */
export const runOptions = {
  data: { optional: "string", placeholder: "data", help: "Of a run: a file or data set (default: the run's own)." },
  part: {
    optional: "string",
    choices: PARTS,
    help: "Of a run: which samples of it (default: test, or validation without one).",
  },
  samples: { ...MEASURING.samples, help: "Of a run: so many samples, drawn from all (default: all)." },
  rounds: { ...MEASURING.rounds, help: `Of a run, or of a network: log SNRs per sample (default ${ROUNDS}).` },
  stderr: {
    ...MEASURING.stderr,
    help: "Of a run: take rounds until the noise's standard error in nats is no larger than this.",
  },
  budget: { ...MEASURING.budget, help: "Of a run: evaluations of the denoiser after which no round is begun." },
  evalBatchSize: {
    ...SETTINGS.evalBatchSize,
    help: "Of a run: samples per run of the denoiser (default: the run's).",
  },
  range: { ...readingOptions.range, help: ofRun(readingOptions.range.help) },
  layout: { ...readingOptions.layout, help: ofRun(readingOptions.layout.help) },
  ...trustOption,
} as const satisfies Record<string, TaskOption>;

/** Options of a run that it has in common with columns. */
const SHARED = ["header", "transpose", "perRow", "seed", "backend", "threads", "figures", "quiet", "json"];

/** Whether what is to be measured is a run, rather than data. */
export function isRun(name: string): boolean {
  return isCheckpoint(name) || existsSync(join(name, "config.json"));
}

/**
 * Refuses options that are for the other of the two: columns of data, or a run.
 *
 * @param name What is to be measured.
 * @param given The keys of the options that the command line has; `data` is also the name of what is to be measured.
 * @param data The value of `--data`.
 * @throws {UsageError}
 */
export function requireHeededOf(
  kind: "run" | "columns",
  name: string,
  given: ReadonlySet<string>,
  data: string | undefined,
): void {
  const keys = [...given].filter((key) => key !== "data" && !SHARED.includes(key));
  if (kind === "columns") {
    const other = data === undefined ? keys.find((key) => key in runOptions && key !== "rounds") : "data";
    if (other === undefined) return;
    throw new UsageError(
      `${optionName(other)} is for a run, but ${name} is data. Leave it out, or name a run's folder.`,
    );
  }
  const other = keys.find((key) => !(key in runOptions));
  if (other === undefined) return;
  throw new UsageError(`${optionName(other)} is for columns of data, but ${name} is a run. Leave it out.`);
}
