import * as tf from "@tensorflow/tfjs";
import { type HostTensors, sizeOf } from "../tensors.ts";
import { checkInput, type Engine, EngineError, type InitialEntry, type State, type Tensors } from "./program.ts";

/**
 * The eager engine: a program runs operation by operation on a tfjs backend. It is what the compiled engine is tested
 * against.
 *
 * @param name The tfjs backend, `cpu` or `wasm`.
 */
export async function createTfjsEngine(name: "cpu" | "wasm"): Promise<Engine> {
  tf.enableProdMode(); // Keeps tfjs's banner off the user's screen.
  if (name === "wasm") await import("@tensorflow/tfjs-backend-wasm");
  if (!await tf.setBackend(name)) throw new EngineError(`The tfjs backend "${name}" did not start.`);
  await tf.ready();
  const states = new WeakMap<State, TfjsState>();
  return {
    backend: `tfjs-${name}`,
    threads: 1,
    versions: { tfjs: tf.version_core },
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
          own.advance(next);
          const results: Record<string, Float32Array> = {};
          for (const [key, tensor] of Object.entries(outputs)) {
            results[key] = (await tensor.data()) as Float32Array;
            tensor.dispose();
          }
          return results;
        },
        dispose() {},
      });
    },
    dispose() {},
  };
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
