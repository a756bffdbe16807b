import type { ChildResult } from "../child.ts";

/** How a path is tried. */
export interface Trial {
  /** Threads of the processor. */
  readonly threads: number;
  /** Whether the GPU is computed on the processor. */
  readonly software: boolean;
  /** Told of a crash after which a part is tried again. */
  readonly onCrash: (what: string) => void;
}

/**
 * How often a part is tried that crashes. A card's crash is what is looked for; Mesa's llvmpipe crashes by SIGSEGV in one
 * run of two on a processor that is busy, whatever runs on it, which says nothing of the program.
 */
export function triesOf({ software }: Trial): number {
  return software ? 6 : 1;
}

/** Runs a part, again where software crashed in it. @param what For what is said of the crash. */
export async function tried<T>(
  trial: Trial,
  what: string,
  run: () => Promise<ChildResult<T>>,
): Promise<ChildResult<T>> {
  for (let tries = 1;; tries++) {
    const result = await run();
    if (!result.crashed || tries >= triesOf(trial)) return result;
    trial.onCrash(`${what}: ${result.problem}`);
  }
}
