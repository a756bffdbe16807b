import { main, Progress } from "../core/cli/mod.ts";
import { bitsPerDimension } from "../core/diffusion/likelihood.ts";
import { mseCurve, suggestProposal } from "../core/evaluation/curve.ts";
import { estimateNll } from "../core/evaluation/nll.ts";
import type { Dataset } from "../core/plugins.ts";
import { readRequest } from "../core/run/config.ts";
import { DensityPanels } from "../core/run/density_panels.ts";
import { drawFigures } from "../core/run/figures_2d.ts";
import { prepareRun } from "../core/run/prepare.ts";
import { finishRun, reportLines, resumeCommand } from "../core/run/result.ts";
import { InterruptedError, trainRun } from "../core/run/train_run.ts";

const TASK = "train:2d";
const SUMMARY = "Trains a density of points. Its loss is a likelihood, and it draws the density that it learns.";

/** Log SNRs at which the MSE curve is measured. */
const CURVE_POINTS = 97;

/** Log SNRs per point in the final likelihoods, of the validation points and of the many fresh ones. */
const VALIDATION_LEVELS = 32;
const TEST_LEVELS = 2;

await main(async () => {
  const started = performance.now();
  const request = await readRequest(TASK, SUMMARY, "dino", Deno.args);
  const run = await prepareRun(request, unsupported);
  const { data, config, folder, training, proposal, random } = run;
  const d = data.shape[0];
  const checkpoint = request.resumed?.checkpoint;
  const panels = d === 2 && request.figures
    ? await DensityPanels.open(
      folder,
      training,
      proposal,
      random.split("density"),
      config.epochs,
      checkpoint?.epoch ?? 0,
    )
    : undefined;
  try {
    const trained = await trainRun(folder, training, config.epochs, {
      quiet: request.quiet,
      started,
      ...(checkpoint ? { from: checkpoint } : {}),
      onEpoch: ({ epoch }) => panels?.add(epoch) ?? Promise.resolve(),
    });
    using progress = new Progress({ quiet: request.quiet });
    progress.update({ label: "likelihood and figures", done: 0, total: 1 });
    const validation = config.estimator === "paired"
      ? await estimateNll(training.meter, data.validation, proposal, random.split("final"), VALIDATION_LEVELS)
      : undefined;
    const test = data.test &&
      await estimateNll(training.meter, data.test, proposal, random.split("test"), TEST_LEVELS);
    const curve = await mseCurve(training.meter, data.validation, proposal, random.split("curve"), CURVE_POINTS);
    const suggestion = suggestProposal(curve, d);
    const figures = request.figures
      ? await drawFigures(run, request.dataset.name, trained.metrics, panels, curve, suggestion, test)
      : [];
    progress.finish();
    const summary = await finishRun(run, trained, {
      validation,
      test,
      suggestion,
      started,
      bits: (nats) => bitsPerDimension(nats, d),
    });
    console.log(
      request.json ? JSON.stringify(summary) : reportLines(request.dataset.name, summary, figures).join("\n"),
    );
  } catch (error) {
    if (error instanceof InterruptedError) {
      throw new InterruptedError(`${error.message} Go on with: ${resumeCommand(TASK, folder)}`);
    }
    throw error;
  } finally {
    await training.dispose();
    await run.engine.dispose();
  }
});

function unsupported({ shape }: Dataset): string | undefined {
  return shape.length === 1 ? undefined : `has samples of shape [${shape}]; ${TASK} trains on points, of shape [d].`;
}
