import { deepEqual, equal, throws } from "assert";
import { samplerOf, samplingPlan } from "../../../core/sampling/plan.ts";

const proposal = { loc: 0, scale: 2 }, points = { shape: [2] }, images = { shape: [1, 8, 8], range: [-1, 1] as const };

Deno.test("what is left open of a sampler follows the kind of the data", () => {
  deepEqual(samplerOf({}, points.shape), { sampler: "ancestral", steps: 250 });
  deepEqual(samplerOf({}, images.shape), { sampler: "ode", steps: 100 });
  deepEqual(samplerOf({ sampler: "ode" }, points.shape), { sampler: "ode", steps: 100 });
  deepEqual(samplerOf({ sampler: "ddim", steps: 30 }, images.shape), { sampler: "ddim", steps: 30 });
  equal(samplingPlan({}, proposal, points).logsnr.length, 250);
  equal(samplingPlan({}, proposal, points).range, undefined);
  equal(samplingPlan({}, proposal, images).range, undefined);
  deepEqual(samplingPlan({ sampler: "ancestral" }, proposal, images).range, [-1, 1]);
});

Deno.test("options that are not for the sampler or the data are refused", () => {
  throws(
    () => samplingPlan({ eta: 0.5 }, proposal, points),
    /--eta is for --sampler ddim, but the sampler is ancestral/,
  );
  throws(() => samplingPlan({ clip: true }, proposal, points), /--clip is on, but this data has no range/);
});
