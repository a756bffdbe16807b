import { ok, throws } from "assert";
import { Random } from "../../../core/random/random.ts";
import { chooseTransform } from "../../../core/rows/choose_transform.ts";
import { mapOf, type NumberTransform } from "../../../core/rows/transform.ts";

const TRANSFORMS: readonly { readonly transform: NumberTransform; readonly at: readonly number[] }[] = [
  { transform: { kind: "none" }, at: [-3, 0, 7] },
  { transform: { kind: "log" }, at: [1e-3, 1, 1e6] },
  { transform: { kind: "logit", low: -1, high: 4 }, at: [-0.99, 0, 3.9] },
  { transform: { kind: "asinh", centre: 2, width: 0.5 }, at: [-1e5, 2, 3, 1e5] },
  {
    transform: { kind: "normal", values: [0, 1, 1.5, 4, 9, 30], scores: [-2, -1, -0.2, 0.3, 1, 2] },
    at: [-5, 0.2, 1.2, 3, 8.9, 12, 29, 100],
  },
];

Deno.test("a transform increases, comes back, and has the slope that it says", () => {
  for (const { transform, at } of TRANSFORMS) {
    const map = mapOf(transform);
    let last = -Infinity;
    for (const v of at) {
      const y = map.forward(v), step = 1e-6 * Math.max(1e-3, Math.abs(v));
      const slope = (map.forward(v + step) - map.forward(v - step)) / (2 * step);
      ok(y > last, `${transform.kind} at ${v}`);
      ok(Math.abs(map.inverse(y) - v) < 1e-7 * (1 + Math.abs(v)), `${transform.kind} at ${v}: ${map.inverse(y)}`);
      ok(Math.abs(Math.log(slope) - map.logSlope(v)) < 1e-4, `${transform.kind} at ${v}: ${slope}, ${map.logSlope(v)}`);
      last = y;
    }
  }
});

Deno.test("heavy tails and skew are mapped, what a mixture takes as it is stays", () => {
  const normal = Random.fromSeed(1).fillNormal(new Float64Array(3000));
  const chosen = (values: Float64Array, more = {}) => chooseTransform({ name: "x", ...more }, values).kind;
  ok(chosen(normal) === "none");
  // Two groups are no tails.
  ok(chosen(normal.map((x, i) => x + (i % 2) * 8)) === "none");
  ok(chosen(normal.map((x) => Math.exp(2 * x))) !== "none");
  ok(chosen(normal.map((x) => Math.sinh(2.5 * x))) !== "none");
  ok(chosen(normal.map((x) => Math.exp(2 * x)), { transform: "none" }) === "none");
  ok(chosen(normal.map(Math.exp), { transform: "log" }) === "log");
  ok(chosen(normal.map((x) => 1 / (1 + Math.exp(-x))), { bounds: [0, 1] }) === "logit");
  throws(() => chosen(normal, { transform: "log" }), /expected numbers above 0/);
  throws(() => chosen(normal, { bounds: [0, 1] }), /expected them between its bounds 0 and 1/);
});
