import { type MseCurve, mseCurve } from "../evaluation/curve.ts";
import { createErrorMeter } from "../evaluation/errors.ts";
import { loadStoredDataset } from "../plugins/trust.ts";
import { Random } from "../random/random.ts";
import { startEngine } from "../engine/start.ts";
import type { OpenRun } from "../run/open_run.ts";

/** Log SNRs of a curve, as train:2d has them. */
const POINTS = 97;

/**
 * The MSE curve of a run on points, on its validation data and on the noise that its own figure has.
 *
 * @throws {UserError} When its data cannot be loaded, or its backend does not start.
 */
export async function measureCurve(run: OpenRun): Promise<MseCurve> {
  const { config, denoiser, info, params, proposal } = run;
  const random = Random.fromSeed(config.seed);
  const dataset = await loadStoredDataset(config.dataset, run.trust);
  const { validation } = await dataset.load(random.split("data"), config.datasetOptions);
  const { engine } = await startEngine(config.backend, config.threads, info.shape);
  try {
    const state = engine.createState(params);
    const { shape, gaussian } = info;
    const meter = await createErrorMeter(engine, state, (s) => s, denoiser, { shape, gaussian }, config.evalBatchSize);
    const curve = await mseCurve(meter, validation, proposal, random.split("curve"), POINTS);
    await meter.dispose();
    state.dispose();
    return curve;
  } finally {
    await engine.dispose();
  }
}
