import { join } from "node:path";
import { messageOf } from "../../core/errors/user_error.ts";
import { shellWord } from "../../core/options/shell_word.ts";
import type { Random } from "../../core/random/random.ts";
import type { Kind, Outcome } from "./kind.ts";
import { inPool } from "../pool.ts";
import type { KnownCase } from "./try_case.ts";

/** A trial that says nothing, as of a signal before the process listens, is drawn again, so often at most. */
const TRIES = 100;

/** Problems of a trial that are told. */
const SHOWN = 3;

/** What came of the trials of a case in one way. */
export interface Tried {
  readonly passed: number;
  /** A line for each trial that failed. */
  readonly failures: readonly string[];
  /** Further trials, which say nothing. */
  readonly voids: number;
}

/** Folders for trials. Their names are of one length, as files hold paths of them, whose own lengths they tell. */
export class TrialFolders {
  #count = 0;

  constructor(readonly path: string) {}

  next(): string {
    return join(this.path, String(this.#count++).padStart(6, "0"));
  }
}

/**
 * Tries a case in one way.
 *
 * @param hows The numbers of trials that are drawn, or what an earlier one drew.
 * @param jobs Trials at a time.
 */
export async function tryKind(known: KnownCase, kind: Kind, hows: readonly (string | number)[], {
  random,
  folders,
  jobs,
  signal,
}: {
  readonly random: Random;
  readonly folders: TrialFolders;
  readonly jobs: number;
  readonly signal: AbortSignal;
}): Promise<Tried> {
  const drawn = random.split(known.name).split(kind.name), failures: string[] = [];
  let passed = 0, voids = 0;
  await inPool(hows, jobs, async (how) => {
    for (let k = 0; k < TRIES && !signal.aborted; k++) {
      const told = typeof how === "string" ? how : kind.draw(known, k === 0 ? drawn : drawn.split(k), how);
      const folder = folders.next(), { what, problems, isVoid } = await outcomeOf(kind, known, folder, told);
      // Whoever stops the trials stops what they try.
      if (signal.aborted) return;
      if (problems.length > 0) {
        const repeat = `--case ${shellWord(known.name)} --repeat ${shellWord(`${kind.name} ${told}`)}`;
        const more = problems.length > SHOWN ? `; and ${problems.length - SHOWN} more` : "";
        failures.push(
          `${what}: ${
            problems.slice(0, SHOWN).join("; ")
          }${more}. Left in ${folder}. Repeat: deno task test:crash ${repeat}`,
        );
        return;
      }
      await Deno.remove(folder, { recursive: true });
      if (!isVoid) {
        passed++;
        return;
      }
      voids++;
    }
    if (!signal.aborted) failures.push(`${TRIES} trials that say nothing, as they ${kind.ofVoid}`);
  });
  return { passed, failures, voids };
}

async function outcomeOf(kind: Kind, known: KnownCase, folder: string, how: string): Promise<Outcome> {
  try {
    return await kind.attempt(known, folder, how);
  } catch (error) {
    return { what: how, problems: [messageOf(error)] };
  }
}
