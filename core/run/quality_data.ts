import { basename } from "node:path";
import { UsageError } from "../cli/mod.ts";
import { parseDataFile } from "../data/data_file.ts";
import { givenNothing } from "../data/condition.ts";
import { type Samples, selectRows, toFloat32 } from "../data/samples.ts";
import { UserError } from "../errors/user_error.ts";
import { openRows } from "../files/open_rows.ts";
import { requireHeededReading } from "../files/unheeded.ts";
import { optionName } from "../options/names.ts";
import { FEWEST_ROWS } from "../quality/told_apart.ts";
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

/** Rows to compare samples with, in the values that the model sees. */
export interface QualityData {
  /** Held-out rows, `[rows, d]`, drawn from all of them. */
  readonly heldOut: Float32Array;
  readonly training: Samples;
  /** The file's rows, `[rows, d]`, drawn from all of them; none where samples are to be drawn. */
  readonly samples?: Float32Array;
  /** Of each set. */
  readonly rows: number;
  /** What the held-out rows are called, also in a file's name. */
  readonly name: string;
  /** What was read and how it was taken, a line each. */
  readonly notes: readonly string[];
  /** Of a table what is unknown of the held-out rows and of the file's, 1 or 0 `[rows, d]`. */
  readonly gaps?: { readonly heldOut: Float32Array; readonly samples?: Float32Array };
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
  const sets = [
    { what: "held-out rows", count: rest.count },
    { what: "training rows", count: own.train.count },
    ...(opened ? [{ what: "samples", count: opened.samples.count }] : []),
  ].sort((a, b) => a.count - b.count);
  const [fewest] = sets, rows = Math.min(count ?? most, count ?? fewest.count);
  if (rows > fewest.count) {
    throw new UsageError(
      `--count is ${count}, but there are ${fewest.count} ${fewest.what}, of which as many are compared. Ask for fewer.`,
    );
  }
  if (rows < FEWEST_ROWS) {
    throw new UserError(
      `There are ${rows} ${fewest.what} to compare, expected at least ${FEWEST_ROWS}. Give more data.`,
    );
  }
  const some = (samples: Samples, label: string) =>
    toFloat32(selectRows(givenNothing(samples), random.split(label).permutation(samples.count).slice(0, rows)));
  const spec = basename(run.config.dataset);
  const gapsOf = ({ gaps }: Samples, label: string) => some(gaps!, label);
  return {
    heldOut: some(rest, "held out"),
    training: givenNothing(own.train),
    ...(opened ? { samples: some(opened.samples, "samples") } : {}),
    rows,
    ...(rest.gaps
      ? {
        gaps: {
          heldOut: gapsOf(rest, "held out"),
          ...(opened ? { samples: gapsOf(opened.samples, "samples") } : {}),
        },
      }
      : {}),
    name: chosen?.name ?? `${spec}-${chosenPart}`,
    notes: [...chosen?.description ? [chosen.description] : [], ...opened ? [opened.description] : []],
  };
}
