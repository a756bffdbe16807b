import type * as tf from "@tensorflow/tfjs";
import { UserError } from "../errors/user_error.ts";
import { type HostTensors, sizeOf } from "../data/tensors.ts";
import type { SimdKernel } from "./simd.ts";

/** Named tensors inside a program. */
export type Tensors = Record<string, tf.Tensor>;

/**
 * A pure function of tfjs operations. It reads the state and the inputs and returns outputs and, for the entries of
 * the state that it changes, their next values, of the same shapes. It may differentiate with `tf.grads` and the like.
 */
export interface Program {
  (state: Tensors, inputs: Tensors): { outputs: Tensors; state?: Tensors };
  /** A hand-written loop that does the same, where an engine has one. */
  readonly kernel?: {
    readonly name: SimdKernel;
    /** The entries of the state that it works on, of one size. */
    readonly entries: readonly string[];
    readonly constants: readonly number[];
    /** Its inputs, all scalars. */
    readonly inputs: readonly string[];
  };
  /** See {@linkcode separable}. */
  readonly separable?: boolean;
}

/**
 * Says of a program that its inputs and outputs have a row for each sample, of which none hangs on another, and that what it
 * changes of the state are means over them: an engine may run parts of the rows apart. It must not read what it changes.
 */
export function separable(program: Program): Program {
  return Object.assign(program, { separable: true });
}

/** Named tensors that stay on the device between runs. Several programs may read and change one state. */
export interface State {
  /**
   * Entries in the host's memory, which the next run may change: copy what has to outlast it.
   *
   * @param names Which entries; all if left out.
   */
  read(names?: readonly string[]): Promise<HostTensors>;
  /** Replaces entries; names and shapes are those given at the start. What was read may be changed and written back. */
  write(tensors: HostTensors): void;
  /** Frees the entries. */
  dispose(): void;
}

/** What an entry of a state starts from: zero everywhere where nothing else is said. */
export interface InitialEntry {
  readonly shape: readonly number[];
  readonly data?: Float32Array;
  /** Writes what it starts from, in the place of data: to where it lies, if that can be written to. @param values Zeros. */
  readonly fill?: (values: Float32Array) => void;
}

/** What an entry starts from as an array, which may be the one that was given; nothing where that is zero everywhere. */
export function initialValues({ shape, data, fill }: InitialEntry): Float32Array | undefined {
  if (!fill) return data;
  const values = new Float32Array(sizeOf(shape));
  fill(values);
  return values;
}

/** A program ready to run with inputs of fixed shapes. */
export interface CompiledProgram {
  /**
   * Runs the program once and moves the state on.
   *
   * @param inputs One array per input, of its size.
   * @returns One array per output, valid until the next run.
   * @throws {EngineError} When an input is missing or of the wrong size.
   * @throws {BackendError} When the device fails; the state is then as before, if it can still be read.
   */
  run(inputs: Readonly<Record<string, Float32Array>>): Promise<Record<string, Float32Array>>;
  /**
   * Runs a program that treats each place of the state's vectors by itself, at the places from `begin`, a multiple of
   * four, up to `end` alone. Only where the engine does it by hand.
   */
  readonly runPlaces?: (inputs: Readonly<Record<string, Float32Array>>, begin: number, end: number) => void;
  dispose(): void;
}

/** Arithmetic of matrix products and convolutions. Parameters, sums and what a program ends in are float32 in both. */
export const PRECISIONS = ["f32", "f16"] as const;

/** Of the products in a gradient. */
export type Precision = typeof PRECISIONS[number];

/** Runs programs on one backend. */
export interface Engine {
  /** The backend's name, as `--backend` takes it. */
  readonly backend: string;
  readonly threads: number;
  readonly precisions: readonly Precision[];
  /** Whether it can let a backward pass compute again what would be kept for it. */
  readonly checkpoints: boolean;
  /** The packages that it runs on, with their versions. */
  readonly versions: Readonly<Record<string, string>>;
  /** Makes a state. What it starts from is copied. */
  createState(initial: Readonly<Record<string, InitialEntry>>): State;
  /**
   * @param program The program.
   * @param state The state that it reads and changes.
   * @param inputs The shape of every input.
   * @param precision `f16` only where `precisions` has it.
   * @param checkpointing Computes again in the backward pass all of residual blocks but what goes from one to the next: less
   * memory for a sixth more time, and the same numbers. Only where the engine `checkpoints`.
   * @throws {EngineError} When an operation of the program has no equivalent on this backend, or a shape does not fit.
   */
  compile(
    program: Program,
    state: State,
    inputs: Readonly<Record<string, readonly number[]>>,
    precision?: Precision,
    checkpointing?: boolean,
  ): Promise<CompiledProgram>;
  dispose(): void;
}

/** A program that cannot be compiled or run. */
export class EngineError extends UserError {}

/** A backend that is not there, does not start, or fails while it runs; the message says what is missing or to lower. */
export class BackendError extends EngineError {}

/** Checks the inputs of a run against the shapes that the program was compiled for. */
export function checkInput(name: string, data: Float32Array | undefined, size: number): Float32Array {
  if (data === undefined) throw new EngineError(`The program's input "${name}" is missing.`);
  if (data.length !== size) {
    throw new EngineError(`The program's input "${name}" has ${data.length} values; it was compiled for ${size}.`);
  }
  return data;
}
