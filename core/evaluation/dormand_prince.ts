/**
 * The adaptive Runge–Kutta method of Dormand and Prince, of order 5 with an error estimate of order 4 (J. Comput. Appl.
 * Math. 6, 1980), which is what MATLAB's `ode45` and SciPy's `RK45` are. It asks for derivatives instead of calling for
 * them, so that those of many equations, each at a time and with a step of its own, are computed at once.
 */

/** Where a derivative is asked for. Its state is valid until it is given. */
export interface OdePoint {
  readonly time: number;
  readonly state: Float64Array;
}

/** Where an equation has come to. */
export interface OdeSolution {
  /** At the end; not a number where no step, however small, is exact enough, as where a derivative is none. */
  readonly state: Float64Array;
  /** Steps that were taken, without those that were too large. */
  readonly steps: number;
}

/** How an equation is solved. */
export interface OdeOptions {
  /** The size of the first step that is tried, positive. */
  readonly firstStep: number;
  /**
   * How large the estimated error of a step is, over what it may be: at most 1 of a step that is taken. Both states are
   * valid until it returns.
   */
  readonly errorNorm: (error: Float64Array, before: Float64Array, after: Float64Array) => number;
}

/** The stages' times within a step, and the weights of earlier stages' derivatives; the last is the step itself. */
const TIMES = [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1] as const;
const WEIGHTS = [
  [],
  [1 / 5],
  [3 / 40, 9 / 40],
  [44 / 45, -56 / 15, 32 / 9],
  [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
  [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
  [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
] as const;

/** What the weights of order 5 have more than those of order 4. */
const ERROR = [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40] as const;

/** How a step follows from the error of the one before. */
const SAFETY = 0.9, LEAST_FACTOR = 0.2, MOST_FACTOR = 10;

/** Steps below this part of the way are none. */
const LEAST_STEP = 1e-9;

/**
 * Solves y′ = f(t, y) from one time to another, which may be the earlier one.
 *
 * A generator: it yields where it wants f, is told f there, which it keeps, and returns the solution.
 *
 * @param start The state to begin with, which is left as it is.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { dormandPrince } from "./dormand_prince.ts";
 *
 * const errorNorm = ([error]: Float64Array) => Math.abs(error) / 1e-8;
 * const solver = dormandPrince(Float64Array.of(1), 0, 2, { firstStep: 0.1, errorNorm });
 * let next = solver.next();
 * while (!next.done) next = solver.next(next.value.state.map((y) => -y));
 * ok(Math.abs(next.value.state[0] - Math.exp(-2)) < 1e-7);
 * ```
 */
export function* dormandPrince(
  start: Float64Array,
  from: number,
  to: number,
  { firstStep, errorNorm }: OdeOptions,
): Generator<OdePoint, OdeSolution, Float64Array> {
  const n = start.length, sign = Math.sign(to - from), least = LEAST_STEP * Math.abs(to - from);
  let state = start.slice(), stage = new Float64Array(n), time = from, step = firstStep, steps = 0;
  const error = new Float64Array(n), derivatives = [yield { time, state }];
  while ((to - time) * sign > least) {
    const size = Math.min(step, Math.abs(to - time)), h = sign * size;
    for (let s = 1; s < TIMES.length; s++) {
      combine(WEIGHTS[s], derivatives, h, stage, state);
      derivatives[s] = yield { time: time + TIMES[s] * h, state: stage };
    }
    // The last stage is where the step ends, and its derivative is the first of the next step.
    combine(ERROR, derivatives, h, error);
    const norm = errorNorm(error, state, stage);
    if (norm <= 1) {
      time += h;
      steps++;
      [state, stage] = [stage, state];
      derivatives[0] = derivatives[6];
      // A step that was cut short at the end says nothing of the next.
      step = size * factorOf(norm);
    } else {
      step = size * Math.min(1, factorOf(norm));
      if (step < least) return { state: state.fill(NaN), steps };
    }
  }
  return { state, steps };
}

/** By what the step is multiplied after an error; the error is of the fifth power of the step. */
function factorOf(norm: number): number {
  const factor = norm === 0 ? MOST_FACTOR : SAFETY * norm ** -0.2;
  return Number.isFinite(factor) ? Math.min(MOST_FACTOR, Math.max(LEAST_FACTOR, factor)) : LEAST_FACTOR;
}

/** out = base + h·Σ wₖ·fₖ. */
function combine(
  weights: readonly number[],
  derivatives: readonly Float64Array[],
  h: number,
  out: Float64Array,
  base?: Float64Array,
): void {
  if (base) out.set(base);
  else out.fill(0);
  weights.forEach((weight, k) => {
    if (weight === 0) return;
    const derivative = derivatives[k], factor = h * weight;
    for (let i = 0; i < out.length; i++) out[i] += factor * derivative[i];
  });
}
