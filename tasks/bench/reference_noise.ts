/**
 * The noise of eight rounds of the paired estimate on images of a run, against the run's own reference, the Gaussian along
 * cosines and principal colours, and that of independent pixels: the same network and the same images each time.
 *
 *     deno run -A tasks/bench/reference_noise.ts RUN [COUNT]
 *
 * @module
 */
import { selectRows } from "../../core/data/samples.ts";
import { startEngine } from "../../core/engine/start.ts";
import { createModel } from "../../core/model/model.ts";
import type { DataInfo } from "../../core/plugins/contracts.ts";
import { Random } from "../../core/random/random.ts";
import { fitGaussian } from "../../core/reference/gaussian.ts";
import { ownData } from "../../core/run/evaluation_data.ts";
import { openRun } from "../../core/run/open_run.ts";

const [run, count = "48"] = Deno.args;
const opened = await openRun(run), { info, denoiser, params, proposal } = opened;
const data = await ownData(opened);
const order = Random.fromSeed(5).permutation(data.validation.count).slice(0, Number(count));
const samples = selectRows(data.validation, order);
const { reference: _, ...plain } = info;
const references: Record<string, DataInfo> = {
  "the run's own": info,
  "cosines and principal colours": { ...plain, gaussian: fitGaussian(data.train, info.shape) },
  "independent pixels": { ...plain, gaussian: fitGaussian(data.train) },
};
const { engine } = await startEngine("onnx-cpu", 2, info.shape);
for (const [name, info] of Object.entries(references)) {
  // The blend is the run's own, so that it is one model that is measured.
  const model = createModel({ engine, denoiser, params, info, proposal, evalBatchSize: 16 });
  const { logDensity, stderr } = await model.logDensity(samples);
  const mean = logDensity.reduce((sum, x) => sum + x, 0) / logDensity.length;
  const noise = Math.sqrt(stderr.reduce((sum, x) => sum + x ** 2, 0) / stderr.length);
  console.log(`${name}: ${(-mean).toFixed(0)} nats, with a noise of ${noise.toFixed(1)} of a single image`);
}
engine.dispose();
