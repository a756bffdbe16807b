import * as tf from "@tensorflow/tfjs";
import { gradients } from "../engine/gradients.ts";
import type { CompiledProgram, Engine, Program, State } from "../engine/program.ts";
import type { Random } from "../random/random.ts";
import { adamSchedule } from "../training/adam.ts";
import { flatten, flattenTensors, layoutOf, unflattenTensor } from "../training/parameters.ts";
import { learningRateAt, type Recipe } from "../training/recipe.ts";
import { GRADIENT, MOMENTS, optimiserStep, PARAMS } from "../training/step.ts";
import { canonicalVariates, type MappedSides } from "./canonical_variates.ts";
import { gaussianInformationGradient } from "./gaussian_gradient.ts";
import { mapNetwork } from "./map_network.ts";

const LEARNING_RATE = 1e-2;

/** The steps over which the learning rate rises, as a part of all. */
const WARMUP = 0.3;

/** Rows of a step. */
const BATCH = 500;

/**
 * What a column costs that a map's hidden layers look at, for each unit of the norm of its weights: this times
 * √(log columns / rows), as the least that chance makes one of so many columns seem to tell.
 */
const COLUMN_COST = 0.25;

/** Rows that are mapped at a time. */
const CHUNK = 2048;

const SIDES = ["x", "y"] as const;

/** Rows of the columns of both sides, about standard normal each. */
export interface Sides {
  /** `[rows, dx]`. */
  readonly x: Float32Array;
  /** `[rows, dy]`. */
  readonly y: Float32Array;
  readonly columns: { readonly x: number; readonly y: number };
}

/**
 * Learns maps of x and of y to a few numbers each, u = f(x) and v = g(y), that have the most information if they are jointly
 * Gaussian: canonical correlation analysis by networks (G. Andrew, R. Arora, J. Bilmes, K. Livescu 2013). What u and v
 * tell of each other is never more than what x and y do, whatever the maps, and maps that undo what bends x and y lose
 * nothing.
 *
 * A map is linear plus a network of the columns and of their squared norm, which tells how far out a row is. Each column
 * that the network looks at has its cost (the group lasso, M. Yuan and Y. Lin 2006), since chance makes many columns tell
 * something.
 *
 * @param rows Those that are learned from.
 * @param size Numbers that each side is mapped to.
 * @returns The canonical variates of all rows' images: the first of both sides are the most correlated.
 * @throws {DivergedMaps} Where the maps grow beyond all numbers.
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
  const maps = new Maps(engine, sides, rows, size, random.split("init"));
  try {
    const recipe: Recipe = { decay: "cosine", warmup: Math.round(WARMUP * steps), estimator: "standard" };
    for (let step = 1; step <= steps; step++) {
      signal?.throwIfAborted();
      const drawn = random.split(step).fillUniform(new Float64Array(maps.batch));
      const batch = Uint32Array.from(drawn, (part) => rows[Math.floor(part * rows.length)]);
      await maps.learn(batch, step, learningRateAt(recipe, LEARNING_RATE, step, steps));
    }
    return canonicalVariates(await maps.images(), rows);
  } finally {
    await maps.dispose();
  }
}

/** The maps of both sides while they are learned. */
class Maps {
  readonly batch: number;
  readonly #state: State;
  readonly #compiled = new Map<string, CompiledProgram>();
  readonly #inputs: Record<"x" | "y", Float32Array>;
  readonly #widths: Record<"x" | "y", number>;
  readonly #programs: { readonly images: Program; readonly gradient: Program };

  constructor(
    readonly engine: Engine,
    { x, y, columns }: Sides,
    rows: Uint32Array,
    readonly size: number,
    random: Random,
  ) {
    this.batch = Math.min(BATCH, rows.length);
    this.#widths = { x: columns.x + 1, y: columns.y + 1 };
    this.#inputs = { x: withNorm(x, columns.x), y: withNorm(y, columns.y) };
    const f = mapNetwork("x", this.#widths.x, size), g = mapNetwork("y", this.#widths.y, size);
    const layout = layoutOf({ ...f.shapes, ...g.shapes }), shape = [layout.size];
    const initial = { ...f.init(random.split("x")), ...g.init(random.split("y")) };
    this.#state = engine.createState({
      [PARAMS]: { shape, data: flatten(layout, initial) },
      ...Object.fromEntries([...MOMENTS, GRADIENT].map((name) => [name, { shape }])),
    });
    const costOf = (width: number) => COLUMN_COST * Math.sqrt(Math.log(width) / rows.length);
    const costs = { x: costOf(this.#widths.x), y: costOf(this.#widths.y) };
    this.#programs = {
      images: (state, { x, y }) => {
        const params = unflattenTensor(layout, state[PARAMS]);
        return { outputs: { u: f.apply(params, x), v: g.apply(params, y) } };
      },
      gradient: (state, { x, y, du, dv }) => {
        const { gradients: grads } = gradients((params) => {
          const along = tf.add(tf.sum(tf.mul(f.apply(params, x), du)), tf.sum(tf.mul(g.apply(params, y), dv)));
          const cost = tf.add(tf.mul(f.columnNorms(params), costs.x), tf.mul(g.columnNorms(params), costs.y));
          return { loss: tf.add(along, cost) as tf.Scalar, aux: {} };
        }, unflattenTensor(layout, state[PARAMS]));
        return { outputs: {}, state: { [GRADIENT]: flattenTensors(layout, grads) } };
      },
    };
  }

  /** Takes a step of Adam up the information that the rows' images have if they are jointly Gaussian. */
  async learn(rows: Uint32Array, step: number, learningRate: number): Promise<void> {
    const { batch, size } = this, shapes = this.#shapes(batch), images = { du: [batch, size], dv: [batch, size] };
    const map = await this.#program("batch", this.#programs.images, shapes);
    const gradient = await this.#program("gradient", this.#programs.gradient, { ...shapes, ...images });
    const optimiser = await this.#program("optimiser", optimiserStep(), { rootScale: [], offset: [] });
    const inputs = this.#rows(rows);
    const { u, v } = await map.run(inputs);
    // In u and v the host differentiates, which solves small systems in double precision.
    const { du, dv } = gaussianInformationGradient(u, v, size);
    await gradient.run({ ...inputs, du, dv });
    const { rootScale, offset } = adamSchedule(learningRate, step);
    await optimiser.run({ rootScale: Float32Array.of(rootScale), offset: Float32Array.of(offset) });
  }

  /** The images of all rows. */
  async images(): Promise<MappedSides> {
    const { size } = this, n = this.#inputs.x.length / this.#widths.x;
    const map = await this.#program("chunk", this.#programs.images, this.#shapes(CHUNK));
    const images = { size, x: new Float32Array(n * size), y: new Float32Array(n * size) };
    for (let begin = 0; begin < n; begin += CHUNK) {
      const end = Math.min(n, begin + CHUNK);
      // The last rows again where a chunk has more places than there are.
      const { u, v } = await map.run(
        this.#rows(Uint32Array.from({ length: CHUNK }, (_, i) => Math.min(begin + i, n - 1))),
      );
      images.x.set(u.subarray(0, (end - begin) * size), begin * size);
      images.y.set(v.subarray(0, (end - begin) * size), begin * size);
    }
    return images;
  }

  async dispose(): Promise<void> {
    for (const program of this.#compiled.values()) await program.dispose();
    this.#state.dispose();
  }

  async #program(name: string, program: Program, shapes: Record<string, readonly number[]>): Promise<CompiledProgram> {
    const known = this.#compiled.get(name) ?? await this.engine.compile(program, this.#state, shapes);
    this.#compiled.set(name, known);
    return known;
  }

  #shapes(rows: number): Record<"x" | "y", readonly number[]> {
    return { x: [rows, this.#widths.x], y: [rows, this.#widths.y] };
  }

  #rows(rows: Uint32Array): Record<"x" | "y", Float32Array> {
    const of = (side: typeof SIDES[number]) => {
      const width = this.#widths[side], values = this.#inputs[side], out = new Float32Array(rows.length * width);
      rows.forEach((row, i) => out.set(values.subarray(row * width, (row + 1) * width), i * width));
      return out;
    };
    return { x: of("x"), y: of("y") };
  }
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
