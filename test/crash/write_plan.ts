import type { When } from "./stop.ts";

/** The variable of the environment that tells {@linkcode WritePlan} to a task's process. */
export const WRITE_PLAN = "ITDIFFUSION_CRASH";

/** What the process of a task does about its writes. */
export interface WritePlan {
  /** The file that they are listed in, a line each. */
  readonly list: string;
  /** The write at which it is stopped, counted from 1; none is where it is left out. */
  readonly at?: number;
  readonly when?: When;
  readonly signals?: readonly Deno.Signal[];
}

/** A write, as it is listed. */
export interface ListedWrite {
  /** As in `rename .tmp-… -> run/config.json`. */
  readonly name: string;
  /** Whether it can be stopped with half of its bytes written. */
  readonly hasParts: boolean;
}

/** A line of the list. */
export function writeLine({ name, hasParts }: ListedWrite): string {
  return `${hasParts ? "parts" : "whole"} ${name.replaceAll("\n", " ")}\n`;
}

/** The writes of a list, from the first on. */
export function listedWrites(text: string): ListedWrite[] {
  return text.split("\n").slice(0, -1).map((line) => ({
    name: line.slice("parts ".length),
    hasParts: line.startsWith("parts "),
  }));
}
