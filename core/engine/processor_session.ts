import type * as ort from "onnxruntime-node";
import { setImmediate } from "node:timers/promises";
import { messageOf } from "../errors/user_error.ts";
import { runError, startError } from "./backend_errors.ts";
import { packageFolder } from "./onnxruntime_api.ts";
import { loadOnnxRuntime, type OnnxRuntime } from "./onnxruntime_library.ts";

const BACKEND = "onnx-cpu";

/** An array that one of a model's inputs is read from or one of its outputs is written to, where it lies. */
export interface Place {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** By the names of inputs or outputs. */
export type Places = Readonly<Record<string, Place>>;

/** A model on the processor, bound to its places. */
export interface ProcessorSession {
  /** Runs the model once. @throws {BackendError} When the run fails. */
  run(): Promise<void>;
  dispose(): Promise<void>;
}

/** A model that runs beside what the caller does, on threads of its own. */
export interface SideSession {
  /**
   * Runs the model once.
   *
   * @returns The outputs without a place, by name, as they lie until they are released.
   * @throws {BackendError} When the run fails.
   */
  run(): Promise<Readonly<Record<string, Float32Array>>>;
  /** Lets go of what the last run returned. */
  release(): void;
  dispose(): void;
}

/** ONNX Runtime on the processor. */
export interface Processor {
  /** That of ONNX Runtime. */
  readonly version: string;
  /**
   * @param arenaBytes What a run needs at least, where its values shall lie in the arena that sessions have in common.
   * @throws {BackendError} When the model is refused.
   */
  createSession(
    model: Uint8Array<ArrayBuffer>,
    inputs: Places,
    outputs: Places,
    threads: number,
    arenaBytes?: number,
  ): Promise<ProcessorSession>;
  /**
   * A session for runs beside other work; not where runs cannot be so.
   *
   * @param loose The sizes of outputs that are to lie in the arena, by name.
   */
  createSideSession?(
    model: Uint8Array<ArrayBuffer>,
    inputs: Places,
    outputs: Places,
    loose: Readonly<Record<string, number>>,
    threads: number,
    arenaBytes: number,
  ): SideSession;
}

/** By ONNX Runtime's names. */
const ENTRIES = {
  // The one would turn the larger of two matrices, the other keep what is computed again so as not to be kept.
  "optimization.disable_specified_optimizers": "MatmulTransposeFusion;CommonSubexpressionElimination",
  // Arithmetic on denormals is many times slower.
  "session.set_denormal_as_zero": "1",
  // Threads that wait longer in a loop hold the processor that the next run needs.
  "session.intra_op.spin_duration_us": "1000",
} as const;

/**
 * Opens ONNX Runtime by its library, which writes outputs to their places alone, and sessions share one memory. Where that
 * does not load, by the package's own interface, which also makes a copy of every output at each run.
 */
export async function openProcessor(): Promise<Processor> {
  try {
    return libraryProcessor(loadOnnxRuntime(packageFolder()));
  } catch {
    return packageProcessor(await import("onnxruntime-node"));
  }
}

/** Releases the sessions that nobody has disposed of. */
const forgotten = new FinalizationRegistry<() => void>((release) => release());

/** @param runtime The library, loaded. */
export function libraryProcessor(runtime: OnnxRuntime): Processor {
  return {
    version: runtime.version,
    async createSession(...given) {
      const opened = openModel(runtime, ...given), bound = opened.session.bind(opened.given, opened.results);
      const release = () => {
        bound.dispose();
        opened.release();
      };
      const session: ProcessorSession = {
        async run() {
          // Lets signals and timers have their turn between runs.
          await setImmediate();
          try {
            bound.run();
          } catch (error) {
            throw runError(BACKEND, messageOf(error));
          }
        },
        dispose() {
          if (forgotten.unregister(session)) release();
          return Promise.resolve();
        },
      };
      forgotten.register(session, release, session);
      return await Promise.resolve(session);
    },
    createSideSession(model, inputs, outputs, loose, threads, arenaBytes) {
      // The run itself takes one of the session's threads.
      const opened = openModel(runtime, model, inputs, outputs, threads + 1, arenaBytes);
      const bound = opened.session.bindBeside(opened.given, opened.results, loose);
      const release = () => {
        bound.dispose();
        opened.release();
      };
      const session: SideSession = {
        async run() {
          try {
            return await bound.run();
          } catch (error) {
            throw runError(BACKEND, messageOf(error));
          }
        },
        release: () => bound.release(),
        dispose() {
          if (forgotten.unregister(session)) release();
        },
      };
      forgotten.register(session, release, session);
      return session;
    },
  };
}

/** A model, opened, and tensors in its places. */
function openModel(
  runtime: OnnxRuntime,
  model: Uint8Array<ArrayBuffer>,
  inputs: Places,
  outputs: Places,
  threads: number,
  arenaBytes = 0,
) {
  const tensorsOf = (places: Places) =>
    Object.fromEntries(
      Object.entries(places).map(([name, { data, shape }]) => [name, runtime.hostTensor(data, shape)]),
    );
  try {
    const settings = { provider: "cpu", threads, options: {}, entries: ENTRIES, arenaBytes } as const;
    const session = runtime.createSession(model, settings);
    const [given, results] = [tensorsOf(inputs), tensorsOf(outputs)];
    return {
      ...{ session, given, results },
      release() {
        session.dispose();
        for (const tensor of [...Object.values(given), ...Object.values(results)]) tensor.dispose();
      },
    };
  } catch (error) {
    throw startError(BACKEND, messageOf(error));
  }
}

/** @param package_ The onnxruntime-node package. */
export function packageProcessor({ InferenceSession, Tensor, env }: typeof ort): Processor {
  return {
    version: env.versions.node ?? env.versions.common,
    async createSession(model, inputs, outputs, threads) {
      const tensorsOf = (places: Places) =>
        Object.fromEntries(
          Object.entries(places).map(([name, { data, shape }]) => [name, new Tensor("float32", data, shape)]),
        );
      let session: ort.InferenceSession;
      try {
        session = await InferenceSession.create(model, {
          executionProviders: ["cpu"],
          intraOpNumThreads: threads,
          interOpNumThreads: 1,
          // Its warnings are about what is meant here.
          logSeverityLevel: 3,
          executionMode: "sequential",
          // A plan of all memory is made after the first run, beside the memory of that run.
          enableMemPattern: false,
          graphOptimizationLevel: "all",
          extra: ENTRIES,
        });
      } catch (error) {
        throw startError(BACKEND, messageOf(error));
      }
      const [given, results] = [tensorsOf(inputs), tensorsOf(outputs)];
      return {
        async run() {
          try {
            await session.run(given, results);
          } catch (error) {
            throw runError(BACKEND, messageOf(error));
          }
        },
        dispose: () => session.release(),
      };
    },
  };
}
