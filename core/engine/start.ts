import { placeIn } from "../mpi/environment.ts";
import { chooseBackend } from "./auto.ts";
import { type BackendChoice, BackendError, createEngine, type Engine } from "./mod.ts";

/** The most threads that are started. */
export const MAX_THREADS = 1024;

/** Threads where none are asked for. Processes of one job share the processor of their host. */
export function defaultThreads(): number {
  const { onHost = 1 } = placeIn(Deno.env.toObject()) ?? {};
  return Math.min(4, Math.max(1, Math.floor(navigator.hardwareConcurrency / onHost)));
}

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
