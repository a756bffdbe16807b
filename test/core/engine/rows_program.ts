import * as tf from "@tensorflow/tfjs";
import { type InitialEntry, type Program, separable } from "../../../core/engine/program.ts";
import type { Random } from "../../../core/random/random.ts";

const ROWS = 24;

export const INNER = 2048, WIDTH = 512;

/** Σ tanh(x·a) over all pairs of a row's values and the state's, so large that a batch is divided, and means over the rows. */
export const wholeProgram: Program = (state, { x, shift }) => {
  const wide = tf.tanh(tf.mul(tf.reshape(x, [-1, INNER, 1]), tf.reshape(state.a, [1, 1, WIDTH])));
  const sum = tf.add(tf.sum(tf.square(wide), [1, 2]), tf.add(tf.sum(wide, [1, 2]), shift));
  return {
    outputs: { sum, first: tf.slice(x, [0, 0], [-1, 2]) },
    state: { mean: tf.mean(x, 0), copy: tf.mean(x, 0) },
  };
};

/** The same, which may be divided. */
export const rowsProgram = separable((state, inputs) => wholeProgram(state, inputs));

export const SHAPES = { x: [ROWS, INNER], shift: [ROWS] };

export function initialState(random: Random): Record<string, InitialEntry> {
  const a = { shape: [WIDTH], data: random.fillNormal(new Float32Array(WIDTH)) };
  return { a, mean: { shape: [INNER] }, copy: { shape: [INNER] } };
}

export function inputsOf(random: Random): Record<string, Float32Array> {
  const x = random.fillNormal(new Float32Array(ROWS * INNER));
  return { x, shift: Float32Array.from({ length: ROWS }, (_, i) => i) };
}
