import { requireHeededReading } from "../files/unheeded.ts";
import { UsageError } from "../errors/usage_error.ts";
import { optionName } from "../options/names.ts";
import type { OptionValues } from "../options/spec.ts";

/** What a training task's command line says. */
export interface TrainingLine {
  readonly options: {
    readonly dataset: string | undefined;
    readonly resume: string | true | undefined;
    readonly out: string | undefined;
    readonly experimentName: string;
    readonly dataChanged: boolean;
    readonly figures: boolean;
  };
  /** The data set, where it is given first. */
  readonly data: string | undefined;
  /** The values of the task's own options that were given, which all are of figures. */
  readonly shown: OptionValues;
  /** Those of the data set's options that were given. */
  readonly reading: OptionValues;
}

/**
 * Refuses options that nothing would heed beside the others: who gives them expects something that will not be.
 *
 * @throws {UsageError}
 */
export function requireHeeded({ options: o, data, shown, reading }: TrainingLine): void {
  const refuse = (what: string, why: string, how = "Leave it out.") => {
    throw new UsageError(`${what}, but ${why}. ${how}`);
  };
  const oneOf = "Leave one of them out.";
  if (data !== undefined && o.dataset !== undefined && o.dataset !== data) {
    refuse(`--dataset is ${o.dataset}`, `the data set is given first as ${data}`, oneOf);
  }
  if (o.dataChanged && o.resume === undefined) {
    refuse("--data-changed is for a run that goes on", "there is no --resume", "Leave it out, or add --resume FOLDER.");
  }
  if (o.out !== undefined && typeof o.resume === "string") {
    refuse(`--out is ${o.out}`, `the run in ${o.resume} goes on where it is`, oneOf);
  }
  const named = o.out ?? (typeof o.resume === "string" ? o.resume : undefined);
  if (o.experimentName !== "" && named !== undefined) {
    refuse(`--experiment-name is for a folder in runs`, `${named} is named`, oneOf);
  }
  const figure = Object.entries(shown).find(([, value]) => value !== 0);
  if (figure && !o.figures) {
    refuse(`${optionName(figure[0])} is ${figure[1]}`, "--figures is off, which draws none", oneOf);
  }
  const file = data ?? o.dataset;
  if (file !== undefined) {
    const said = (["header", "transpose", "size", "background"] as const).map((key) => text(reading, key));
    requireHeededReading(file, Object.assign({}, ...said));
  }
}

function text<K extends string>(values: OptionValues, key: K): Partial<Record<K, string>> {
  const value = values[key];
  return typeof value === "string" ? { [key]: value } as Partial<Record<K, string>> : {};
}
