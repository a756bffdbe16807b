import * as tf from "@tensorflow/tfjs";
import { messageOf } from "../errors.ts";
import { type HostTensors, sizeOf } from "../tensors.ts";
import { runError } from "./backend_errors.ts";
import { BackendError, checkInput, type Engine, EngineError, type InitialEntry, type State } from "./program.ts";
import type { Tensors } from "./program.ts";
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
  return {
    backend,
    threads: device.threads,
    precisions: ["f32"],
    versions: { tfjs: tf.version_core, ...device.versions },
    createState(initial) {
      const state = new TfjsState(initial);
      states.set(state, state);
      return state;
    },
    compile(program, state, inputShapes) {
      const own = states.get(state);
      if (!own) throw new EngineError("The state belongs to another engine; make it with this engine's createState.");
      return Promise.resolve({
        async run(given) {
          if (tf.getBackend() !== device.name) await tf.setBackend(device.name);
          const made: tf.Tensor[] = [];
          try {
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
            made.push(...Object.values(outputs), ...Object.values(next));
            const results: Record<string, Float32Array> = {};
            for (const [key, tensor] of Object.entries(outputs)) results[key] = (await tensor.data()) as Float32Array;
            // Last, since a device that fails leaves the state as it was.
            await device.check?.();
            own.advance(next);
            tf.dispose(outputs);
            return results;
          } catch (error) {
            tf.dispose(made);
            throw failureOf(backend, error);
          }
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
  /** @throws {BackendError} When the device has failed since it was started. */
  check?(): Promise<void>;
}

async function startDevice(backend: TfjsBackend, threads: number): Promise<Device> {
  switch (backend) {
    case "tfjs-node":
    case "tfjs-node-gpu":
      return { name: TENSORFLOW, ...await loadTfjsNode(backend, threads) };
    case "tfjs-webgpu":
      return { name: "webgpu", threads: 1, ...await loadTfjsWebgpu() };
    case "tfjs-wasm":
    case "tfjs-cpu": {
      const name = backend === "tfjs-cpu" ? "cpu" : "wasm";
      if (name === "wasm") await import("@tensorflow/tfjs-backend-wasm");
      if (!await tf.setBackend(name)) throw new BackendError(`The backend ${backend} does not start.`);
      return { name, threads: 1 };
    }
  }
}

/** TensorFlow says so where one of its operations fails; the message follows in the next line. */
const TENSORFLOW_STATUS = /^Invalid TF_Status: \d+\s*(Message: )?/;

/** A failure of the device as one line; what a program does wrong stays as it is. */
function failureOf(backend: TfjsBackend, error: unknown): unknown {
  const message = messageOf(error);
  if (TENSORFLOW_STATUS.test(message)) return runError(backend, message.replace(TENSORFLOW_STATUS, ""));
  const ofDevice = error instanceof RangeError || error instanceof WebAssembly.RuntimeError ||
    error instanceof DOMException;
  return ofDevice ? runError(backend, message) : error;
}

class TfjsState implements State {
  current: Tensors;

  constructor(initial: Readonly<Record<string, InitialEntry>>) {
    this.current = Object.fromEntries(
      Object.entries(initial).map(([name, { shape, data }]) => [
        name,
        tf.keep(data ? tf.tensor(data.slice(), [...shape]) : tf.zeros([...shape])),
      ]),
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

  async read(): Promise<HostTensors> {
    const entries = Object.entries(this.current).map(async ([name, t]) =>
      [name, { shape: [...t.shape], data: Float32Array.from(await t.data()) }] as const
    );
    return Object.fromEntries(await Promise.all(entries));
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
