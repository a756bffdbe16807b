import { type HostTensors, sizeOf } from "../data/tensors.ts";
import { checkInput, EngineError, type InitialEntry, type State } from "./program.ts";
import { createSimdMemory, MAX_MEMORY_BYTES, type SimdKernels, VECTOR_BYTES } from "./simd.ts";

/**
 * All entries lie in one WebAssembly memory, so that kernels can work on them in place. Where they are too large for
 * that, each has memory of its own, and there are no kernels.
 */
export class OnnxState implements State {
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly kernels: SimdKernels | undefined;
  readonly #entries: Record<string, Float32Array> = {};

  constructor(initial: Readonly<Record<string, InitialEntry>>) {
    this.shapes = Object.fromEntries(Object.entries(initial).map(([name, t]) => [name, [...t.shape]]));
    const padded = (shape: readonly number[]) => Math.ceil(4 * sizeOf(shape) / VECTOR_BYTES) * VECTOR_BYTES;
    const bytes = Object.values(initial).reduce((sum, { shape }) => sum + padded(shape), 0);
    const memory = bytes <= MAX_MEMORY_BYTES ? createSimdMemory(bytes) : undefined;
    this.kernels = memory?.kernels;
    let offset = 0;
    for (const [name, { shape, data, fill }] of Object.entries(initial)) {
      const size = sizeOf(shape);
      this.#entries[name] = memory ? new Float32Array(memory.buffer, offset, size) : new Float32Array(size);
      if (fill) fill(this.#entries[name]);
      else if (data) this.#entries[name].set(checkInput(name, data, size));
      offset += padded(shape);
    }
  }

  /** An entry where it lies. */
  entry(name: string): Float32Array {
    return this.#entries[name];
  }

  read(names = Object.keys(this.#entries)): Promise<HostTensors> {
    return Promise.resolve(Object.fromEntries(
      names.map((name) => [name, { shape: this.shapes[name], data: this.#entries[name] }]),
    ));
  }

  write(tensors: HostTensors): void {
    for (const [name, { data }] of Object.entries(tensors)) {
      if (!(name in this.shapes)) throw new EngineError(`The state has no entry "${name}".`);
      const entry = this.#entries[name];
      if (data !== entry) entry.set(checkInput(name, data, sizeOf(this.shapes[name])));
    }
  }

  dispose(): void {
    for (const name of Object.keys(this.#entries)) delete this.#entries[name];
  }
}
