import type { TaskOption } from "../cli/mod.ts";
import { BACKEND_CHOICES, type Engine } from "../engine/mod.ts";
import { SETTINGS } from "../model/setting_ranges.ts";

/** What runs the tensors, as every task takes it. */
export const threadsOption = {
  threads: {
    ...SETTINGS.threads,
    help: "Threads (default: the processor's, at most 4).",
  },
} as const satisfies Record<string, TaskOption>;

export const backendOption = {
  backend: {
    default: "auto",
    choices: BACKEND_CHOICES,
    help: "What runs the tensors; auto takes a GPU for images where there is one.",
  },
  ...threadsOption,
} as const satisfies Record<string, TaskOption>;

/** The same for a task that uses a run, which says what it was trained with. */
export const runBackendOption = {
  backend: { optional: "string", choices: BACKEND_CHOICES, help: "What runs the tensors (default: the run's)." },
  ...threadsOption,
} as const satisfies Record<string, TaskOption>;

/** Says that a backend runs on other threads than a task was asked for, where it does. */
export function noteThreads(
  asked: number | undefined,
  { backend, threads }: Pick<Engine, "backend" | "threads">,
  onNote: (note: string) => void,
): void {
  if (asked === undefined || asked === threads) return;
  onNote(`--threads is ${asked}, but ${backend} runs on ${threads === 1 ? "one thread" : `${threads} threads`}`);
}
