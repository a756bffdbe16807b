import { setImmediate } from "node:timers/promises";
import * as tf from "@tensorflow/tfjs";
import { messageOf } from "../errors/user_error.ts";
import { type HostTensors, sizeOf } from "../data/tensors.ts";
import { runError } from "./backend_errors.ts";
import {
  BackendError,
  checkInput,
  type Engine,
  EngineError,
  type InitialEntry,
  initialValues,
  type State,
  type Tensors,
} from "./program.ts";
import { loadTfjsNode, TENSORFLOW } from "./tfjs_node.ts";
import type { PackagedBackend } from "./tfjs_package.ts";
import { loadTfjsWebgpu } from "./tfjs_webgpu.ts";

/** The backends that run a program operation by operation. */
export type TfjsBackend = "tfjs-cpu" | "tfjs-wasm" | PackagedBackend;

/**
 * The eager engine: a program runs operation by operation on a tfjs backend. It is what the compiled engine is tested
 * against. tfjs runs one backend at a time in a process, so that engines of several must not run at once.
 *
 * @param threads Of tfjs-node(-gpu) on the processor, where the process has not loaded it before; cpu and wasm have one.
 * @throws {BackendError} When the backend's package or device is not there.
 */
export async function createTfjsEngine(backend: TfjsBackend, threads: number): Promise<Engine> {
  tf.enableProdMode(); // Keeps tfjs's banner off the user's screen.
  const device = await startDevice(backend, threads);
  const states = new WeakMap<State, TfjsState>();
  let broken: BackendError | undefined;
  const guard: Guard = async (work) => {
    if (broken) throw broken;
    try {
      const result = await work();
      const failure = await device.failure?.();
      if (failure === undefined) return result;
      throw new Error(failure);
    } catch (error) {
      // What the device says has the cause: a tensor that it could not make is only "invalid" where it is used.
      const failure = await device.failure?.() ?? failureOf(error);
      if (failure === undefined) throw error;
      const failed = runError(backend, failure);
      if (!device.survives) broken = failed;
      throw failed;
    }
  };
  return {
    backend,
    threads: device.threads,
    precisions: ["f32"],
    checkpoints: false,
    versions: { tfjs: tf.version_core, ...device.versions },
    createState(initial) {
      const state = new TfjsState(initial, guard);
      states.set(state, state);
      return state;
    },
    compile(program, state, inputShapes) {
      const own = states.get(state);
      if (!own) throw new EngineError("The state belongs to another engine; make it with this engine's createState.");
      return Promise.resolve({
        run(given) {
          return guard(async () => {
            // Lets signals and timers have their turn between runs.
            await setImmediate();
            if (tf.getBackend() !== device.name) await tf.setBackend(device.name);
            const { outputs, next } = tf.tidy(() => {
              const inputs: Tensors = {};
              for (const [input, shape] of Object.entries(inputShapes)) {
                inputs[input] = tf.tensor(checkInput(input, given[input], sizeOf(shape)).slice(), [...shape]);
              }
              const result = program({ ...own.current }, inputs);
              // A program may return what it was given; a copy lets each tensor be freed on its own.
              const copies = (tensors: Tensors = {}) =>
                Object.fromEntries(Object.entries(tensors).map(([key, t]) => [key, t.clone()]));
              return { outputs: copies(result.outputs), next: copies(result.state) };
            });
            try {
              const results: Record<string, Float32Array> = {};
              for (const [key, tensor] of Object.entries(outputs)) results[key] = (await tensor.data()) as Float32Array;
              // After the outputs, so that a failure leaves the state as it was.
              own.advance(next);
              return results;
            } catch (error) {
              tf.dispose(next);
              throw error;
            } finally {
              tf.dispose(outputs);
            }
          });
        },
        dispose() {},
      });
    },
    dispose() {},
  };
}

/** What a program runs on. */
interface Device {
  /** What tfjs calls the backend. */
  readonly name: string;
  readonly threads: number;
  readonly versions?: Readonly<Record<string, string>>;
  /** Whether the tensors that it holds are whole after a failure; WebGPU may drop what was done before as well. */
  readonly survives: boolean;
  /** What has gone wrong on the device since it was started, where it tells apart from its operations. */
  failure?(): Promise<string | undefined>;
}

/** Does what may fail by the device. @throws {BackendError} When it fails, or has failed and holds nothing whole. */
type Guard = <T>(work: () => Promise<T>) => Promise<T>;

async function startDevice(backend: TfjsBackend, threads: number): Promise<Device> {
  switch (backend) {
    case "tfjs-node":
    case "tfjs-node-gpu":
      return { name: TENSORFLOW, survives: true, ...await loadTfjsNode(backend, threads) };
    case "tfjs-webgpu":
      return { name: "webgpu", threads: 1, survives: false, ...await loadTfjsWebgpu() };
    case "tfjs-wasm":
    case "tfjs-cpu": {
      const name = backend === "tfjs-cpu" ? "cpu" : "wasm";
      if (name === "wasm") await import("@tensorflow/tfjs-backend-wasm");
      if (!await tf.setBackend(name)) throw new BackendError(`The backend ${backend} does not start.`);
      return { name, threads: 1, survives: name === "cpu" };
    }
  }
}

/** An operation of TensorFlow that failed for want of memory or by the device; other codes are the program's mistakes. */
const TENSORFLOW_FAILURE = /^Invalid TF_Status: (?:2|8|10|13|14)\s+(?:Message: )?/;

/** What an error says of the device; nothing where it is the program's. */
function failureOf(error: unknown): string | undefined {
  const message = messageOf(error);
  if (TENSORFLOW_FAILURE.test(message)) return message.replace(TENSORFLOW_FAILURE, "");
  const ofDevice = error instanceof RangeError || error instanceof WebAssembly.RuntimeError ||
    error instanceof DOMException;
  return ofDevice ? message : undefined;
}

class TfjsState implements State {
  current: Tensors;

  constructor(initial: Readonly<Record<string, InitialEntry>>, private readonly guard: Guard) {
    this.current = Object.fromEntries(
      Object.entries(initial).map(([name, entry]) => {
        const shape = [...entry.shape], data = initialValues(entry);
        return [name, tf.keep(data ? tf.tensor(entry.fill ? data : data.slice(), shape) : tf.zeros(shape))];
      }),
    );
  }

  advance(next: Tensors): void {
    for (const [name, tensor] of Object.entries(next)) {
      const shape = this.current[name]?.shape;
      if (!shape) throw new EngineError(`The program changes "${name}", which its state does not have.`);
      if (shape.join() !== tensor.shape.join()) {
        throw new EngineError(`The program changes "${name}" of shape [${shape}] to shape [${tensor.shape}].`);
      }
    }
    for (const [name, tensor] of Object.entries(next)) {
      this.current[name].dispose();
      this.current[name] = tf.keep(tensor);
    }
  }

  read(names = Object.keys(this.current)): Promise<HostTensors> {
    return this.guard(async () => {
      const entries = names.map(async (name) => {
        const t = this.current[name];
        return [name, { shape: [...t.shape], data: Float32Array.from(await t.data()) }] as const;
      });
      return Object.fromEntries(await Promise.all(entries));
    });
  }

  write(tensors: HostTensors): void {
    for (const [name, { data }] of Object.entries(tensors)) {
      const old = this.current[name];
      if (!old) throw new EngineError(`The state has no entry "${name}".`);
      this.current[name] = tf.keep(tf.tensor(checkInput(name, data, old.size).slice(), old.shape));
      old.dispose();
    }
  }

  dispose(): void {
    tf.dispose(this.current);
    this.current = {};
  }
}
