import * as tf from "@tensorflow/tfjs";
import { CholeskyDecomposition, inverse, Matrix, SingularValueDecomposition } from "ml-matrix";
import { gradients } from "../engine/gradients.ts";
import type { Engine, Program, Tensors } from "../engine/program.ts";
import { initLinear, linear, linearShapes } from "../layers/linear.ts";
import { silu } from "../layers/silu.ts";
import type { Random } from "../random/random.ts";
import { adamSchedule } from "../training/adam.ts";
import { flatten, flattenTensors, layoutOf, unflattenTensor } from "../training/parameters.ts";
import { learningRateAt, type Recipe } from "../training/recipe.ts";
import { GRADIENT, MOMENTS, optimiserStep, PARAMS } from "../training/step.ts";
import { type GaussianGradient, gaussianInformationGradient, RIDGE } from "./gaussian_gradient.ts";

/** Width of the two hidden layers of each map. */
const HIDDEN = 64;

const LEARNING_RATE = 1e-2;

/** Rows of a step. */
const BATCH = 500;

/**
 * What a column costs that a map's hidden layers look at, for each unit of the norm of its weights: this times
 * √(log columns / rows), as the least that chance makes one of so many columns seem to tell.
 */
const COLUMN_COST = 0.25;

/** Rows that are mapped at a time. */
const CHUNK = 2048;

/** Rows of the columns of both sides, about standard normal ones each. */
export interface Sides {
  /** `[rows, dx]`. */
  readonly x: Float32Array;
  /** `[rows, dy]`. */
  readonly y: Float32Array;
  readonly columns: { readonly x: number; readonly y: number };
}

/** What the maps give of all rows. */
export interface MappedSides {
  /** Numbers of each side. */
  readonly size: number;
  /** `[rows, size]`. */
  readonly x: Float32Array;
  /** `[rows, size]`. */
  readonly y: Float32Array;
}

/**
 * Learns maps of x and of y to a few numbers each, u = f(x) and v = g(y), that have the most information if they are jointly
 * Gaussian: canonical correlation analysis by networks (G. Andrew, R. Arora, J. Bilmes, K. Livescu 2013). What u and v
 * tell of each other is never more than what x and y do, whatever the maps, and maps that undo what bends x and y lose nothing.
 *
 * A map is linear plus a network of the columns and of their squared norm, which tells how far out a row is. Each column that
 * the network looks at has its cost (the group lasso, M. Yuan and Y. Lin 2006), since chance makes many columns tell something.
 *
 * @param rows Those that are learned from.
 * @param size Numbers that each side is mapped to.
 * @returns The canonical variates of the images of all rows: the first of each side have the largest correlation.
 */
export async function canonicalMaps(
  engine: Engine,
  sides: Sides,
  rows: Uint32Array,
  size: number,
  steps: number,
  random: Random,
  signal?: AbortSignal,
): Promise<MappedSides> {
  const { columns } = sides;
  const inputs = { x: withNorm(sides.x, columns.x), y: withNorm(sides.y, columns.y) };
  const widths = { x: columns.x + 1, y: columns.y + 1 };
  const init = random.split("init");
  const initial = {
    ...initMap(init.split("x"), "x", widths.x, size),
    ...initMap(init.split("y"), "y", widths.y, size),
  };
  const layout = layoutOf({ ...mapShapes("x", widths.x, size), ...mapShapes("y", widths.y, size) });
  const shape = [layout.size];
  const state = engine.createState({
    [PARAMS]: { shape, data: flatten(layout, initial) },
    ...Object.fromEntries([...MOMENTS, GRADIENT].map((name) => [name, { shape }])),
  });
  const forward: Program = (s, { x, y }) => {
    const params = unflattenTensor(layout, s[PARAMS]);
    return { outputs: { u: mapOf(params, "x", x), v: mapOf(params, "y", y) } };
  };
  const costOf = (columns: number) => COLUMN_COST * Math.sqrt(Math.log(columns) / rows.length);
  // The gradient of the loss in u and v is the host's, which solves small systems in double precision.
  const backward: Program = (s, { x, y, du, dv }) => {
    const { gradients: grads } = gradients((params) => {
      const along = tf.add(tf.sum(tf.mul(mapOf(params, "x", x), du)), tf.sum(tf.mul(mapOf(params, "y", y), dv)));
      const cost = tf.add(
        tf.mul(columnNorms(params, "x"), costOf(widths.x)),
        tf.mul(columnNorms(params, "y"), costOf(widths.y)),
      );
      return { loss: tf.add(along, cost) as tf.Scalar, aux: {} };
    }, unflattenTensor(layout, s[PARAMS]));
    return { outputs: {}, state: { [GRADIENT]: flattenTensors(layout, grads) } };
  };
  const batch = Math.min(BATCH, rows.length);
  const shapes = { x: [batch, widths.x], y: [batch, widths.y] };
  const images = { du: [batch, size], dv: [batch, size] };
  const [mapped, gradient, optimiser, whole] = [
    await engine.compile(forward, state, shapes),
    await engine.compile(backward, state, { ...shapes, ...images }),
    await engine.compile(optimiserStep(), state, { rootScale: [], offset: [] }),
    await engine.compile(forward, state, { x: [CHUNK, widths.x], y: [CHUNK, widths.y] }),
  ];
  const recipe: Recipe = { decay: "cosine", warmup: Math.round(0.3 * steps), estimator: "standard" };
  try {
    const some = { x: new Float32Array(batch * widths.x), y: new Float32Array(batch * widths.y) };
    const found: GaussianGradient = { du: new Float32Array(batch * size), dv: new Float32Array(batch * size) };
    for (let step = 1; step <= steps; step++) {
      signal?.throwIfAborted();
      const drawn = random.split(step).fillUniform(new Float64Array(batch));
      drawn.forEach((part, i) => {
        const row = rows[Math.floor(part * rows.length)];
        for (const side of ["x", "y"] as const) {
          const width = widths[side];
          some[side].set(inputs[side].subarray(row * width, (row + 1) * width), i * width);
        }
      });
      const { u, v } = await mapped.run(some);
      gaussianInformationGradient(u, v, size, found);
      await gradient.run({ ...some, ...found });
      const { rootScale, offset } = adamSchedule(learningRateAt(recipe, LEARNING_RATE, step, steps), step);
      await optimiser.run({ rootScale: Float32Array.of(rootScale), offset: Float32Array.of(offset) });
    }
    const n = sides.x.length / columns.x,
      result = { size, x: new Float32Array(n * size), y: new Float32Array(n * size) };
    const chunk = { x: new Float32Array(CHUNK * widths.x), y: new Float32Array(CHUNK * widths.y) };
    for (let begin = 0; begin < n; begin += CHUNK) {
      const end = Math.min(n, begin + CHUNK);
      for (const side of ["x", "y"] as const) {
        chunk[side].set(inputs[side].subarray(begin * widths[side], end * widths[side]));
      }
      const { u, v } = await whole.run(chunk);
      result.x.set(u.subarray(0, (end - begin) * size), begin * size);
      result.y.set(v.subarray(0, (end - begin) * size), begin * size);
    }
    return canonicalVariates(result, rows);
  } finally {
    for (const program of [mapped, gradient, optimiser, whole]) program.dispose();
    state.dispose();
  }
}

/** The rotations of whitened u and v under which each number of u is correlated with that of v alone. */
function canonicalVariates({ size, x, y }: MappedSides, rows: Uint32Array): MappedSides {
  const some = (values: Float32Array) =>
    Matrix.from1DArray(
      rows.length,
      size,
      Array.from({ length: rows.length * size }, (_, at) => values[rows[Math.floor(at / size)] * size + at % size]),
    );
  const whiten = (values: Float32Array) => {
    const own = some(values), mean = own.mean("column");
    const centred = own.subRowVector(mean), covariance = centred.transpose().mmul(centred).div(rows.length);
    for (let k = 0; k < size; k++) covariance.set(k, k, covariance.get(k, k) + RIDGE);
    const root = inverse(new CholeskyDecomposition(covariance).lowerTriangularMatrix).transpose();
    return { mean, root, white: centred.mmul(root) };
  };
  const [ofX, ofY] = [whiten(x), whiten(y)];
  const { leftSingularVectors, rightSingularVectors } = new SingularValueDecomposition(
    ofX.white.transpose().mmul(ofY.white),
  );
  const rotated = (values: Float32Array, { mean, root }: typeof ofX, rotation: Matrix) => {
    const map = root.mmul(rotation), out = new Float32Array(values.length);
    for (let at = 0; at < values.length; at += size) {
      for (let k = 0; k < size; k++) {
        for (let i = 0; i < size; i++) out[at + k] += (values[at + i] - mean[i]) * map.get(i, k);
      }
    }
    return out;
  };
  return { size, x: rotated(x, ofX, leftSingularVectors), y: rotated(y, ofY, rightSingularVectors) };
}

/** Each row followed by (‖row‖² − d)/√(2d), which is about standard where the columns are normal and independent. */
function withNorm(values: Float32Array, d: number): Float32Array {
  const n = values.length / d, out = new Float32Array(n * (d + 1));
  for (let row = 0; row < n; row++) {
    let square = 0;
    for (let k = 0; k < d; k++) {
      const value = out[row * (d + 1) + k] = values[row * d + k];
      square += value * value;
    }
    out[row * (d + 1) + d] = (square - d) / Math.sqrt(2 * d);
  }
  return out;
}

function mapShapes(name: string, width: number, size: number): Record<string, readonly number[]> {
  return {
    ...linearShapes(`${name}.linear`, width, size),
    ...linearShapes(`${name}.0`, width, HIDDEN),
    ...linearShapes(`${name}.1`, HIDDEN, HIDDEN),
    ...linearShapes(`${name}.2`, HIDDEN, size),
  };
}

function initMap(random: Random, name: string, width: number, size: number) {
  const params = {
    ...initLinear(random, `${name}.linear`, width, size),
    ...initLinear(random, `${name}.0`, width, HIDDEN),
    ...initLinear(random, `${name}.1`, HIDDEN, HIDDEN),
    ...initLinear(random, `${name}.2`, HIDDEN, size),
  };
  for (const part of ["weight", "bias"]) params[`${name}.2.${part}`].data.fill(0);
  return params;
}

function mapOf(params: Tensors, name: string, rows: tf.Tensor): tf.Tensor {
  const hidden = silu(linear(params, `${name}.1`, silu(linear(params, `${name}.0`, rows))));
  return tf.add(linear(params, `${name}.linear`, rows), linear(params, `${name}.2`, hidden));
}

/** The sum over columns of the norms of the weights that look at them. */
function columnNorms(params: Tensors, name: string): tf.Tensor {
  const squares = tf.sum(tf.square(params[`${name}.0.weight`]), 0);
  return tf.sum(tf.sqrt(tf.add(squares, 1e-12)));
}
