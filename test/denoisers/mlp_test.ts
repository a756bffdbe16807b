import { deepEqual } from "assert";
import { standardGaussian } from "../../core/reference/gaussian.ts";
import { Random } from "../../core/random/random.ts";
import { create, options } from "../../denoisers/mlp.ts";

Deno.test("few coordinates are embedded, many are not, unless it is said; earlier runs say true or false", () => {
  const defaults = Object.fromEntries(Object.entries(options).map(([key, spec]) => [key, spec.default]));
  const inputs = (d: number, values = {}) => {
    const denoiser = create({ shape: [d], gaussian: standardGaussian(d) }, { ...defaults, ...values });
    return denoiser.init(Random.fromSeed(0))["layers.0.weight"].shape[1];
  };
  deepEqual([2, 6, 7].map((d) => inputs(d)), [3 * 128, 7 * 128, 8]);
  deepEqual(["on", true].map((embedding) => inputs(7, { embedding })), [8 * 128, 8 * 128]);
  deepEqual(["off", false].map((embedding) => inputs(2, { embedding })), [3, 3]);
});
