import { basename } from "node:path";
import { UsageError } from "../cli/mod.ts";
import { parseDataFile } from "../data/data_file.ts";
import { UserError } from "../errors/user_error.ts";
import { openRows } from "../files/open_rows.ts";
import { requireHeededReading } from "../files/unheeded.ts";
import { type QualityRows, qualityRows } from "../model/quality_sets.ts";
import { optionName } from "../options/names.ts";
import type { Random } from "../random/random.ts";
import { ownData, type Reading, readingIn, samplesOf } from "./evaluation_data.ts";
import type { OpenRun } from "./open_run.ts";

/** The parts of a run's data that samples are compared with. */
export const HELD_OUT_PARTS = ["test", "validation"] as const;

/** What is compared with what. */
export interface QualityChoice extends Reading {
  readonly data: string | undefined;
  readonly part: typeof HELD_OUT_PARTS[number] | undefined;
  /** A file of samples; drawn ones, if undefined. */
  readonly samples: string | undefined;
  readonly count: number | undefined;
}

/** Rows to compare samples with, and what they are. */
export interface QualityData extends QualityRows {
  /** What the held-out rows are called, also in a file's name. */
  readonly name: string;
  /** What was read and how it was taken, a line each. */
  readonly notes: readonly string[];
}

/**
 * The held-out rows of a run, its training rows, and a file of samples where one is named, as many of each.
 *
 * @param most Rows of each set where no number of them is asked for.
 * @param random Draws which rows are taken.
 * @throws {UserError} Where there are too few of any.
 */
export async function qualityData(
  run: OpenRun,
  { data, part, samples: file, count, ...how }: QualityChoice,
  most: number,
  random: Random,
): Promise<QualityData> {
  const reading = readingIn(how);
  if (data === undefined && file === undefined) {
    for (const [key, value] of Object.entries(reading)) {
      if (value === undefined || value === "auto") continue;
      throw new UsageError(
        `${optionName(key)} is ${value}, but no file is read that it is for. Give --samples or --data.`,
      );
    }
  }
  const own = await ownData(run), { condition: _, ...info } = run.info;
  using chosen = data === undefined ? undefined : await samplesOf(run, {
    ...{ data, part },
    ...(parseDataFile(data) ? reading : {}),
  });
  const chosenPart = part ?? (own.test ? "test" : "validation"), rest = chosen?.samples ?? own[chosenPart];
  if (!rest) throw new UserError(`The data of the run has no part ${chosenPart}. Choose --part validation.`);
  if (file !== undefined) requireHeededReading(file, reading);
  const said = Object.fromEntries(
    Object.entries(reading).filter((each): each is [string, string] => each[1] !== undefined),
  );
  using opened = file === undefined ? undefined : await openRows(file, info, said);
  const spec = basename(run.config.dataset);
  return {
    ...qualityRows({ heldOut: rest, training: own.train, samples: opened?.samples }, { count, most, random }),
    name: chosen?.name ?? `${spec}-${chosenPart}`,
    notes: [...chosen?.description ? [chosen.description] : [], ...opened ? [opened.description] : []],
  };
}
