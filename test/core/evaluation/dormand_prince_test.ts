import { equal, ok } from "assert";
import { dormandPrince, type OdeSolution } from "../../../core/evaluation/dormand_prince.ts";

type Derivative = (time: number, state: Float64Array) => Float64Array;

function solve(f: Derivative, start: readonly number[], from: number, to: number, tolerance: number) {
  let evaluations = 0;
  const solver = dormandPrince(Float64Array.from(start), from, to, {
    firstStep: 0.1,
    errorNorm: (error) => Math.max(...error.map(Math.abs)) / tolerance,
  });
  let next = solver.next();
  while (!next.done) {
    evaluations++;
    next = solver.next(f(next.value.time, next.value.state));
  }
  const { state, steps }: OdeSolution = next.value;
  return { state, steps, evaluations };
}

Deno.test("an oscillation is solved forwards and backwards, in steps that grow with the tolerance", () => {
  const oscillation: Derivative = (_, [x, v]) => Float64Array.of(v, -x);
  let before = 0;
  for (const tolerance of [1e-4, 1e-7, 1e-10]) {
    for (const end of [7, -7]) {
      const { state, steps, evaluations } = solve(oscillation, [1, 0], 0, end, tolerance);
      const off = Math.hypot(state[0] - Math.cos(end), state[1] + Math.sin(end));
      ok(off < 20 * tolerance, `${off} off at ${tolerance}`);
      ok(evaluations >= 6 * steps + 1);
      if (end < 0) continue;
      ok(steps > before);
      before = steps;
    }
  }
});

Deno.test("the step follows what changes with time, and ends where it should", () => {
  // ∫ of a narrow peak.
  const { state, steps } = solve((t) => Float64Array.of(Math.exp(-0.5 * ((t - 2) / 0.01) ** 2)), [0], 0, 2, 1e-9);
  ok(Math.abs(state[0] - 0.01 * Math.sqrt(Math.PI / 2)) < 1e-7, `${state[0]}`);
  ok(steps > 10);
  equal(solve(() => Float64Array.of(1), [0], 1, 1, 1e-6).steps, 0);
});

Deno.test("where a derivative is no number there is no solution, and an end", () => {
  const { state } = solve((t) => Float64Array.of(t > 0.5 ? NaN : 1), [0], 0, 1, 1e-6);
  ok(Number.isNaN(state[0]));
});
