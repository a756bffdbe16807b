import * as tf from "@tensorflow/tfjs";
import { type InitialEntry, type Program, separable } from "../../../core/engine/program.ts";
import type { Random } from "../../../core/random/random.ts";

export const INNER = 2048, WIDTH = 512;

/** How many rows there are, and of how many values. */
export interface Size {
  readonly rows: number;
  readonly inner: number;
}

const SIZE: Size = { rows: 24, inner: INNER };

/** Σ tanh(x·a) over all pairs of a row's values and the state's, so large that a batch is divided, and means over the rows. */
export const wholeProgram: Program = (state, { x, shift }) => {
  const wide = tf.tanh(tf.mul(tf.reshape(x, [-1, x.shape[1]!, 1]), tf.reshape(state.a, [1, 1, WIDTH])));
  const sum = tf.add(tf.sum(tf.square(wide), [1, 2]), tf.add(tf.sum(wide, [1, 2]), shift));
  return {
    outputs: { sum, first: tf.slice(x, [0, 0], [-1, 2]) },
    state: { mean: tf.mean(x, 0), copy: tf.mean(x, 0) },
  };
};

/** The same, which may be divided. */
export const rowsProgram = separable((state, inputs) => wholeProgram(state, inputs));

export const shapesOf = ({ rows, inner }: Size) => ({ x: [rows, inner], shift: [rows] });

export const SHAPES = shapesOf(SIZE);

export function initialState(random: Random, { inner } = SIZE): Record<string, InitialEntry> {
  const a = { shape: [WIDTH], data: random.fillNormal(new Float32Array(WIDTH)) };
  return { a, mean: { shape: [inner] }, copy: { shape: [inner] } };
}

export function inputsOf(random: Random, { rows, inner } = SIZE): Record<string, Float32Array> {
  const x = random.fillNormal(new Float32Array(rows * inner));
  return { x, shift: Float32Array.from({ length: rows }, (_, i) => i) };
}
