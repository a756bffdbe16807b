import type { TaskOption } from "../cli/mod.ts";
import { chooseBackend } from "../engine/auto.ts";
import { placeIn } from "../mpi/environment.ts";
import { BACKEND_CHOICES, type BackendChoice, BackendError, createEngine, type Engine } from "../engine/mod.ts";

/** Threads where none are asked for. Processes of one job share the processor of their host. */
export function defaultThreads(): number {
  const { onHost = 1 } = placeIn(Deno.env.toObject()) ?? {};
  return Math.min(4, Math.max(1, Math.floor(navigator.hardwareConcurrency / onHost)));
}

/** What runs the tensors, as every task takes it. */
export const threadsOption = {
  threads: {
    optional: "number",
    min: 1,
    max: 1024,
    integer: true,
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

/** An engine, and why it is the one. */
export interface StartedEngine {
  readonly engine: Engine;
  /** Where the backend was left open: a clause without a full stop. */
  readonly reason?: string;
}

/**
 * Starts the engine that a task asks for.
 *
 * @param shape Of one sample: `auto` takes no GPU for points.
 * @throws {BackendError} When a backend that was named does not start.
 */
export async function startEngine(
  choice: BackendChoice,
  threads: number,
  shape: readonly number[],
): Promise<StartedEngine> {
  if (choice !== "auto") return { engine: await createEngine(choice, threads) };
  const { backend, reason } = await chooseBackend({ points: shape.length === 1 });
  try {
    return { engine: await createEngine(backend, threads), reason };
  } catch (error) {
    if (!(error instanceof BackendError)) throw error;
    // What is chosen for the user must not fail the user.
    return { engine: await createEngine("onnx-cpu", threads), reason: error.message.replace(/\.$/, "") };
  }
}
