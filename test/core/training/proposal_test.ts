import { deepEqual, equal, ok } from "assert";
import { createEngine } from "../../../core/engine/mod.ts";
import { Random } from "../../../core/random/random.ts";
import { createTraining } from "../../../core/training/train.ts";
import { SETTINGS as settings } from "../../training_settings.ts";
import { data, epochsOf, info, smallMlp, training } from "./small_training.ts";

Deno.test("an adaptive proposal changes what is drawn after the first epoch, and a resumed run goes on with it", async () => {
  const fixed = await training();
  const [first, second] = await epochsOf(fixed);
  const whole = await training({ adaptiveProposal: true });
  const expected = await epochsOf(whole);
  deepEqual(expected[0], first);
  ok(expected[1].trainNll !== second.trainNll);
  const end = await whole.snapshot();
  ok(end.adaptive!.factors.length > 1);
  for (const stop of [4, 9]) {
    const part = await training({ adaptiveProposal: true });
    for await (const record of part.run()) if (record.kind === "step" && record.step === stop) break;
    // As a checkpoint keeps it.
    const from = { ...await part.snapshot() };
    const resumed = await training({ adaptiveProposal: true }, {
      from: { ...from, adaptive: JSON.parse(JSON.stringify(from.adaptive)) },
    });
    deepEqual((await epochsOf(resumed)).at(-1), expected.at(-1), `stopped after step ${stop}`);
    deepEqual((await resumed.snapshot()).training, end.training);
    await Promise.all([part.dispose(), resumed.dispose()]);
  }
  await Promise.all([fixed.dispose(), whole.dispose()]);
});

Deno.test("even log SNRs are one from each stratum of the range in every batch; logistic ones are as they come", async () => {
  for (const even of [true, false]) {
    const engine = await createEngine("onnx-cpu", 1), batches: Float32Array[] = [], weights: Float32Array[] = [];
    // What each step's gradient is given.
    const watched = new Proxy(engine, {
      get(target, key) {
        const value = Reflect.get(target, key, target);
        if (key !== "compile") return typeof value === "function" ? value.bind(target) : value;
        return async (...args: Parameters<typeof engine.compile>) => {
          const program = await engine.compile(...args);
          if (!("weight" in args[2])) return program;
          return {
            dispose: () => program.dispose(),
            run(inputs: Record<string, Float32Array>) {
              batches.push(inputs.logsnr.slice());
              weights.push(inputs.weight.slice());
              return program.run(inputs);
            },
          };
        };
      },
    });
    const proposal = { loc: 1, scale: 1.5, ...(even ? { even } : {}) };
    const run = await createTraining(
      watched,
      smallMlp(),
      data,
      info,
      { ...settings, proposal, epochs: 1 },
      Random.fromSeed(3),
    );
    await epochsOf(run);
    equal(batches.length, 6);
    const strata = batches.map((logsnr) => logsnr.map((alpha) => Math.floor((alpha + 5) / 12 * 32)));
    equal(strata.every((batch) => batch.every((stratum, i) => stratum === i)), even);
    equal(weights.every((batch) => batch.every((weight) => Math.abs(weight - 12) < 1e-5)), even);
    ok(batches.every((batch) => batch.every((alpha) => alpha >= -5 && alpha <= 7)));
    ok(batches[0][3] !== batches[1][3], "another place within the stratum");
    await run.dispose();
  }
});
