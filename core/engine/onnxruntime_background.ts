import { setImmediate } from "node:timers/promises";
import { strings } from "./c_strings.ts";
import type { Functions } from "./onnxruntime_api.ts";

/** A model that runs on a thread of its session's while the caller goes on. */
export interface BackgroundModel {
  /**
   * Runs the model once, when the run before is done and its values are released.
   *
   * @returns The outputs that have no place of their own, by name, where they lie until they are released.
   */
  run(): Promise<Readonly<Record<string, Float32Array>>>;
  /** Lets go of the values of the last run. */
  release(): void;
  /** Whether a run has begun and not ended. */
  readonly isRunning: boolean;
  dispose(): void;
}

/** What a session's model is bound to. */
export interface Bindings {
  /** Tensors by the names of the model's inputs. */
  readonly inputs: Readonly<Record<string, Deno.PointerObject>>;
  /** Tensors of outputs that have a place. */
  readonly outputs: Readonly<Record<string, Deno.PointerObject>>;
  /** The sizes of those that ONNX Runtime finds a place for. */
  readonly loose: Readonly<Record<string, number>>;
}

/** What ONNX Runtime calls at a run's end. */
const CALLBACK = { parameters: ["pointer", "pointer", "usize", "pointer"], result: "void" } as const;

/**
 * @param check Throws for a status that is an error.
 * @param session Of two threads at least: one of them is the run's.
 * @param live Where the model is from now until it is disposed of.
 */
export function backgroundModel(
  ort: Functions,
  check: (status: Deno.PointerValue) => void,
  session: Deno.PointerObject,
  { inputs, outputs, loose }: Bindings,
  live: Set<BackgroundModel>,
): BackgroundModel {
  const address = (pointer: Deno.PointerValue) => BigInt(Deno.UnsafePointer.value(pointer));
  const names = { inputs: strings(Object.keys(inputs)), outputs: strings(Object.keys({ ...outputs, ...loose })) };
  const given = BigUint64Array.from(Object.values(inputs), address);
  const places = Object.values(outputs).map(address), sizes = Object.entries(loose);
  const results = new BigUint64Array(places.length + sizes.length);
  let ended: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  const callback = Deno.UnsafeCallback.threadSafe(CALLBACK, (_data, _outputs, _count, status) => {
    const run = ended!;
    ended = undefined;
    try {
      check(status);
      run.resolve();
    } catch (error) {
      run.reject(error);
    }
  });
  callback.unref();
  const release = () => {
    for (let i = places.length; i < results.length; i++) {
      if (results[i] !== 0n) ort.ReleaseValue(Deno.UnsafePointer.create(results[i]));
      results[i] = 0n;
    }
  };
  const model: BackgroundModel = {
    get isRunning() {
      return ended !== undefined;
    },
    async run() {
      results.set(places);
      const whole = new Promise<void>((resolve, reject) => ended = { resolve, reject });
      callback.ref();
      try {
        const [inputs, outputs] = [names.inputs, names.outputs].map(({ pointers }) => pointers);
        const counts = [given, results].map(({ length }) => BigInt(length));
        check(
          ort.RunAsync(session, null, inputs, given, counts[0], outputs, counts[1], results, callback.pointer, null),
        );
        // Its thread waits for the callback to return, which it does when all that is due at once is done.
        await whole.finally(() => setImmediate());
      } finally {
        ended = undefined;
        callback.unref();
      }
      return Object.fromEntries(sizes.map(([name, size], i) => {
        const out = new BigUint64Array(1);
        check(ort.GetTensorMutableData(Deno.UnsafePointer.create(results[places.length + i]), out));
        const values = Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(out[0])!, 4 * size);
        return [name, new Float32Array(values)];
      }));
    },
    release,
    dispose() {
      if (!live.delete(model)) return;
      release();
      callback.close();
    },
  };
  live.add(model);
  return model;
}
