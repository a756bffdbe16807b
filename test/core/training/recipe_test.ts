import { deepEqual, equal, ok } from "assert";
import { createEngine } from "../../../core/engine/mod.ts";
import { Random } from "../../../core/random/random.ts";
import { adamSchedule } from "../../../core/training/adam.ts";
import { learningRateAt, RECIPES } from "../../../core/training/recipe.ts";
import { GRADIENT, MOMENTS, optimiserStep, PARAMS } from "../../../core/training/step.ts";
import { LOCAL_BACKENDS } from "../../backends.ts";

Deno.test("the learning rate rises over the warmup, and falls by the recipe", () => {
  const constant = { decay: "constant", estimator: "paired" } as const;
  deepEqual([1, 50, 100].map((step) => learningRateAt(constant, 0.2, step, 100)), [0.2, 0.2, 0.2]);
  const rising = [1, 2, 3, 4, 5].map((step) => learningRateAt({ ...constant, warmup: 3 }, 0.2, step, 100));
  rising.forEach((rate, i) => ok(Math.abs(rate - 0.2 * Math.min(1, (i + 1) / 4)) < 1e-12, `${rising}`));
  const cosine = { ...constant, decay: "cosine" } as const;
  equal(learningRateAt(cosine, 0.2, 1, 100), 0.2);
  ok(Math.abs(learningRateAt(cosine, 0.2, 51, 100) - 0.1) < 1e-12);
  ok(learningRateAt(cosine, 0.2, 100, 100) < 1e-4);
  // Both together, and more warmup than there are steps.
  for (const step of [1, 7, 30]) {
    const both = learningRateAt({ ...cosine, warmup: 9 }, 1, step, 30);
    ok(Math.abs(both - Math.min(1, step / 10) * learningRateAt(cosine, 1, step, 30)) < 1e-12);
  }
  ok(learningRateAt({ ...constant, warmup: 199 }, 1, 20, 20) < 0.11);
  // The seed's has neither warmup nor another β₂ than PyTorch's.
  deepEqual(RECIPES.seed.optimiser, {});
});

for (const backend of LOCAL_BACKENDS) {
  Deno.test(`steps of Adam are those of its definition with any β₂, on ${backend}`, async () => {
    const n = 9, steps = 6, rate = 0.03, [beta1, epsilon] = [0.9, 1e-8];
    for (const beta2 of [undefined, 0.99, 0.5]) {
      const engine = await createEngine(backend, 1), random = Random.fromSeed(2);
      const start = random.fillNormal(new Float32Array(n)), shape = [n];
      const state = engine.createState({
        [PARAMS]: { shape, data: start },
        ...Object.fromEntries([...MOMENTS, GRADIENT].map((name) => [name, { shape }])),
      });
      const program = await engine.compile(optimiserStep(beta2), state, { rootScale: [], offset: [] });
      const b2 = beta2 ?? 0.999, params = Float64Array.from(start), m = params.map(() => 0), v = params.map(() => 0);
      for (let step = 1; step <= steps; step++) {
        const gradient = random.fillNormal(new Float32Array(n));
        state.write({ [GRADIENT]: { shape, data: gradient } });
        const { rootScale, offset } = adamSchedule(rate, step, beta2);
        await program.run({ rootScale: Float32Array.of(rootScale), offset: Float32Array.of(offset) });
        gradient.forEach((g, i) => {
          m[i] = beta1 * m[i] + (1 - beta1) * g;
          v[i] = b2 * v[i] + (1 - b2) * g ** 2;
          params[i] -= rate * m[i] / (1 - beta1 ** step) / (Math.sqrt(v[i] / (1 - b2 ** step)) + epsilon);
        });
        const got = (await state.read([PARAMS]))[PARAMS].data;
        params.forEach((value, i) =>
          ok(Math.abs(got[i] - value) < 2e-6, `β₂ ${b2}, step ${step}: ${got[i]}, ${value}`)
        );
      }
      await program.dispose();
      state.dispose();
      engine.dispose();
    }
  });
}
