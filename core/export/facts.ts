import { type Condition, isCondition } from "../data/condition.ts";
import type { Proposal } from "../diffusion/logsnr.ts";
import { DESCRIPTION_BOUNDS, readBoundedJson } from "../io/bounded_json.ts";
import type { UsableModel } from "../run/open_usable.ts";
import { ExportError } from "./errors.ts";

/** What a model in another library's form has no place for: what its data was, and on which log SNRs it was trained. */
export interface ExportFacts {
  /** The values of the data that became -1 and 1, where the user said them. */
  readonly range?: readonly [number, number];
  readonly proposal: Proposal;
  /** What may be known of a sample, of a model with a condition. */
  readonly condition?: Condition;
}

const FORMAT = "itdiffusion-export";
const VERSION = 1;

/** The text of the file that keeps the facts of a run beside its exported model. */
export function factsText({ info, config, proposal }: Pick<UsableModel, "info" | "config" | "proposal">): string {
  const range = rangeOf(config.datasetOptions.range);
  const facts = {
    ...{ format: FORMAT, version: VERSION, shape: info.shape },
    ...(range ? { range } : {}),
    ...(info.logScale === undefined ? {} : { logScale: info.logScale }),
    ...{ logsnrLoc: proposal.loc, logsnrScale: proposal.scale },
    ...(proposal.even ? { logsnrEven: true } : {}),
    ...(info.condition ? { condition: info.condition } : {}),
  };
  return `${JSON.stringify(facts, null, 2)}\n`;
}

/** A range as a data set's option has it, where it is two numbers. */
function rangeOf(option: unknown): readonly [number, number] | undefined {
  const parts = typeof option === "string"
    ? option.split(",").map((part) => part.trim() === "" ? NaN : Number(part))
    : [];
  return isRange(parts) ? parts : undefined;
}

/**
 * Reads the facts of an exported model.
 *
 * @throws {UserError} When the file cannot be read or says something else.
 */
export async function readFacts(path: string): Promise<ExportFacts> {
  const json = await readBoundedJson(path, DESCRIPTION_BOUNDS);
  const fail = (what: string) =>
    new ExportError(`${path} ${what}. Export the model again, or remove the file and say its --range and log SNRs.`);
  if (typeof json !== "object" || json === null || !("format" in json) || json.format !== FORMAT) {
    throw fail(`does not say "${FORMAT}"`);
  }
  const { version, range, logsnrLoc: loc, logsnrScale: scale, logsnrEven, condition } = json as Record<string, unknown>;
  if (version !== VERSION) throw fail(`has the version ${JSON.stringify(version)}, but ${VERSION} is read`);
  if (range !== undefined && !isRange(range)) throw fail("has a range that is not a smallest and a largest value");
  if (!Number.isFinite(loc) || !Number.isFinite(scale) || (scale as number) <= 0) {
    throw fail("has no finite logsnrLoc and logsnrScale above 0");
  }
  if (condition !== undefined && !isCondition(condition)) throw fail("has a condition that is none");
  return {
    ...(range === undefined ? {} : { range }),
    ...(condition === undefined ? {} : { condition }),
    proposal: { loc: loc as number, scale: scale as number, ...(logsnrEven === true ? { even: true } : {}) },
  };
}

function isRange(value: unknown): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every(Number.isFinite) && value[0] < value[1];
}
