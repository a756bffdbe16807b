import { ok } from "assert";
import { columnConditionals, marginalCovariance } from "../../../core/mutual_information/column_conditionals.ts";
import { logNormaliser } from "../../../core/reference/expectation.ts";

const ROOT = Float64Array.of(1, 0, 0, 0.8, 0.6, 0, -0.3, 0.5, 0.9);
const FIRST = { count: 1, mean: Float64Array.of(0.2, -0.1, 0.4), factor: ROOT };
const SECOND = {
  count: 3,
  mean: Float64Array.of(-1, 0.5, 0),
  factor: Float64Array.of(0.5, 0, 0, 0.1, 1, 0, 0, -0.4, 0.7),
};
const ONE = Uint32Array.of(0);

Deno.test("a column given another of a Gaussian is the regression's", () => {
  const [v11, v21, v22] = [1, 0.8, 0.8 ** 2 + 0.6 ** 2], values = Float64Array.of(0.7, -0.3, 9);
  const [a, b] = [values[0] - 0.2, values[1] + 0.1];
  const [first, second] = columnConditionals(values, 3, ONE, { components: [FIRST], dof: Infinity }, 0, 2);
  const log = (x: number, mean: number, variance: number) =>
    -0.5 * ((x - mean) ** 2 / variance + Math.log(2 * Math.PI * variance));
  ok(Math.abs(first[0] - log(a, v21 / v22 * b, v11 - v21 ** 2 / v22)) < 1e-12);
  ok(Math.abs(second[0] - log(b, v21 / v11 * a, v22 - v21 ** 2 / v11)) < 1e-12);
});

Deno.test("given the others of a mixture, a column's density integrates to one, of any tails", () => {
  for (const dof of [Infinity, 5, 1]) {
    for (const [begin, end] of [[0, 3], [1, 3], [2, 3]]) {
      for (let k = begin; k < end; k++) {
        // x = tan θ, with dx = (1 + x²)·dθ.
        const steps = 4000, x = Array.from({ length: steps }, (_, i) => Math.tan(Math.PI * ((i + 0.5) / steps - 0.5)));
        const values = Float64Array.from(
          x.flatMap((each) => [0.3, -0.8, 1.1].map((other, c) => c === k ? each : other)),
        );
        const rows = Uint32Array.from(x, (_, i) => i);
        const logs = columnConditionals(values, 3, rows, { components: [FIRST, SECOND], dof }, begin, end)[k - begin];
        const sum = x.reduce((sum, each, i) => sum + Math.exp(logs[i]) * (1 + each ** 2) * Math.PI / steps, 0);
        ok(Math.abs(sum - 1) < 1e-4, `${dof}, ${begin} to ${end}, column ${k}: ${sum}`);
      }
    }
  }
});

Deno.test("a column by itself has the density of its part of the mixture", () => {
  const values = Float64Array.of(9, 9, 0.4), variance = marginalCovariance(ROOT, 3, 2, 3)[0];
  ok(Math.abs(variance - (0.09 + 0.25 + 0.81)) < 1e-12);
  const [[log]] = columnConditionals(values, 3, ONE, { components: [FIRST], dof: 3 }, 2, 3);
  ok(Math.abs(log - (logNormaliser(1, 3) - Math.log(variance) / 2)) < 1e-12);
});
