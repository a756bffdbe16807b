import { deepEqual, ok, rejects } from "assert";
import { oneRank } from "../../../core/mpi/ranks.ts";
import type { EpochRecord } from "../../../core/training/train.ts";
import { epochsOf, info, training } from "./small_training.ts";
import * as mlp from "../../../denoisers/mlp.ts";

Deno.test("a run stopped after any step and resumed from its snapshot is the run that never stopped", async () => {
  const whole = await training();
  const expected = await epochsOf(whole);
  const end = await whole.snapshot();
  for (const stop of [1, 6, 9]) {
    const first = await training();
    const before: EpochRecord[] = [];
    for await (const record of first.run()) {
      if (record.kind === "epoch") before.push(record);
      else if (record.step === stop) break;
    }
    const second = await training({}, { from: await first.snapshot() });
    deepEqual([...before, ...await epochsOf(second)], expected, `stopped after step ${stop}`);
    deepEqual((await second.snapshot()).training, end.training);
    await Promise.all([first.dispose(), second.dispose()]);
  }
  await whole.dispose();
});

Deno.test("a run that is stopped within a step or a validation goes on as if nothing had been begun", async () => {
  const whole = await training({ microBatchSize: 8 });
  const expected = await epochsOf(whole);
  for (const after of [3, 40]) {
    const stop = new AbortController();
    // Aborts when it has been asked so many times, which is in the midst of something.
    const signal = new Proxy(stop.signal, {
      get(target, key) {
        if (key === "aborted" && ++asked === after) stop.abort();
        const value = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    let asked = 0;
    const first = await training({ microBatchSize: 8 }, { ranks: { ...oneRank(), stop: signal } });
    const before = await epochsOf(first);
    ok(before.length < expected.length);
    const second = await training({ microBatchSize: 8 }, { from: await first.snapshot() });
    deepEqual([...before, ...await epochsOf(second)], expected);
    await Promise.all([first.dispose(), second.dispose()]);
  }
  await whole.dispose();
});

Deno.test("a generator that is left goes on where it was", async () => {
  const [broken, whole] = [await training(), await training()];
  for await (const record of broken.run()) if (record.step === 4) break;
  const rest = await epochsOf(broken);
  deepEqual(rest, await epochsOf(whole));
  await Promise.all([broken.dispose(), whole.dispose()]);
});

Deno.test("a snapshot of another denoiser is refused", async () => {
  const small = await training();
  const snapshot = await small.snapshot();
  const denoiser = mlp.create(info, {
    hiddenSize: 8,
    hiddenLayers: 3,
    embedding: true,
    embeddingSize: 8,
    skip: "gaussian",
  });
  await rejects(training({}, { denoiser, from: snapshot }), /this denoiser needs \d+/);
  await small.dispose();
});
