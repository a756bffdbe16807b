import type { Random } from "../../core/random/random.ts";
import type { Case } from "./cases.ts";
import type { KnownCase } from "./try_case.ts";

/** What came of a trial. */
export interface Outcome {
  /** What was done to the task, in words. */
  readonly what: string;
  /** What is not as it should be; empty for a trial that passed. */
  readonly problems: readonly string[];
  /** Whether the process was not met by what was to befall it, so that the trial says nothing. */
  readonly isVoid?: boolean;
}

/** A way to try a task. */
export interface Kind {
  /** In the plural, as the options have it. */
  readonly name: "kills" | "interrupts" | "pairs" | "disks";
  /** Why it cannot be tried on this machine, if it cannot. */
  readonly absent?: string;
  /** What is told of trials that say nothing. */
  readonly ofVoid: string;
  isFor(each: Case): boolean;
  /** Draws how the i-th trial goes, as a text that repeats it. */
  draw(known: KnownCase, random: Random, index: number): string;
  /** Tries it in a folder that is not there yet. */
  attempt(known: KnownCase, folder: string, how: string): Promise<Outcome>;
}
