import type { Engine, InitialEntry, Program } from "../../core/engine/mod.ts";
import { convolution, perceptron, type Values } from "./float64.ts";
import {
  convolutionInputs,
  convolutionProgram,
  gradientOf,
  initialState,
  perceptronInputs,
  perceptronProgram,
} from "./programs.ts";

/** How far a backend is from double precision. */
export interface Correctness {
  /** The largest error, relative to the largest value of its tensor; null where a value is not a finite number. */
  readonly error: number | null;
  /** The tensor that has it. */
  readonly at: string;
}

/** Compares the values and gradients of a small network and of a convolution with double precision. */
export async function checkValues(engine: Engine): Promise<Correctness> {
  const { x, target, params } = perceptronInputs();
  const images = convolutionInputs(2);
  const { dy, ...differentiated } = images;
  const errors = [
    ...await errorsOf(
      engine,
      "MLP",
      perceptronProgram,
      initialState({ x, target }, params, target.shape),
      perceptron(x, target, params),
    ),
    ...await errorsOf(
      engine,
      "convolution",
      convolutionProgram,
      initialState({ dy }, differentiated, dy.shape),
      convolution(images.x, images.filter, images.bias, dy),
    ),
  ];
  const size = ({ error }: Correctness) => error ?? Infinity;
  return errors.reduce((a, b) => size(b) > size(a) ? b : a);
}

/** Runs a program and compares what it left in its state. */
async function errorsOf(
  engine: Engine,
  title: string,
  program: Program,
  initial: Readonly<Record<string, InitialEntry>>,
  expected: Values,
): Promise<Correctness[]> {
  const state = engine.createState(initial);
  const compiled = await engine.compile(program, state, {});
  await compiled.run({});
  const got = await state.read();
  const errors = Object.entries(expected).map(([name, values]) => {
    const entry = name === "y" ? name : gradientOf(name);
    return { error: relativeError(got[entry].data, values), at: `${title}, ${entry}` };
  });
  compiled.dispose();
  state.dispose();
  return errors;
}

/** The largest difference over the largest value, or null where a value is not a finite number. */
export function relativeError(got: ArrayLike<number>, expected: Float64Array): number | null {
  let [difference, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    if (!Number.isFinite(got[i])) return null;
    difference = Math.max(difference, Math.abs(got[i] - expected[i]));
    largest = Math.max(largest, Math.abs(expected[i]));
  }
  return difference / largest;
}
