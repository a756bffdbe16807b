import { type DiffusionSchedule, evenSchedule, respaced, reverseStep } from "../diffusion/variational_bound.ts";
import type { Engine } from "../engine/mod.ts";
import { UsageError } from "../errors/usage_error.ts";
import { createPredictionMeter, RunningVariationalNll } from "../evaluation/variational_nll.ts";
import type { EstimateRequest, OpenEstimate } from "./nll_estimate.ts";
import type { OpenModel } from "./open_weights.ts";

/**
 * The variational bound of a model, ready for its rounds: of the diffusion that its network was made for, or, where it has
 * no steps of its own, of steps over the log SNRs that it was trained on.
 *
 * @throws {UsageError} For more steps than the model's own.
 */
export async function openBound(
  engine: Engine,
  run: OpenModel,
  { samples, grid, random, batch, ranks, steps, variance, from }: EstimateRequest,
): Promise<OpenEstimate> {
  const { info } = run, own = run.denoiser.schedule;
  const schedule = scheduleOf(run, steps, variance), { logsnr, learned } = schedule;
  const state = engine.createState(run.params);
  const meter = await createPredictionMeter(engine, state, (s) => s, run.denoiser, info, batch, {
    ranks,
    isLearned: learned !== undefined,
  });
  const running = new RunningVariationalNll(meter, samples, {
    ...{ schedule, gaussian: info.gaussian, random },
    // improved-diffusion's last step, where the schedule is like its own: what is left of the second step's noise.
    ...(own && grid ? { decoderVariance: reverseStep(logsnr[1], logsnr[0], "fixed_small").posterior } : {}),
    prior: own ? "standard" : "gaussian",
    ...(grid ? { grid } : {}),
    ...(from ? { from } : {}),
  });
  return {
    running,
    rounds: 1,
    facts() {
      const bound = running.terms(), { prior, steps, decoder } = bound, count = logsnr.length;
      const of = own
        ? count < own.logsnr.length
          ? `${count} of the model's ${own.logsnr.length} steps`
          : `the model's ${count} steps`
        : `${count} steps over the model's log SNRs`;
      const [likeliest, rounded] = [
        grid ? "−log P(x | z₀)" : "−log p(x | z₀)",
        (x: number) => Number(x.toPrecision(7)),
      ];
      return {
        bound,
        record: {
          schedule: own ? "model" : "even",
          variance: learned ?? schedule.variance,
          steps: count,
          data_kind: grid ? "discrete" : "continuous",
          prior: [prior.mean, prior.stderr],
          divergences: [steps.mean, steps.stderr],
          decoder: [decoder.mean, decoder.stderr],
          terms: {
            logsnr: [...bound.logsnr].map(rounded),
            nats: [...bound.divergence].map(rounded),
            stderr: [...bound.stderr].map(rounded),
          },
        },
        lines: [
          `     of ${of}, with variances ${learned ?? schedule.variance}: prior ${prior.mean.toFixed(4)}, steps ${
            steps.mean.toFixed(4)
          }, ${likeliest} ${decoder.mean.toFixed(4)}`,
        ],
      };
    },
    dispose() {
      meter.dispose();
      state.dispose();
      return Promise.resolve();
    },
  };
}

function scheduleOf(
  { denoiser: { schedule }, proposal, weights }: OpenModel,
  steps: number | undefined,
  variance: DiffusionSchedule["variance"] | undefined,
): DiffusionSchedule {
  if (!schedule) return evenSchedule(proposal, steps, variance ?? "fixed_large");
  const { told, learned, ...exact } = schedule, all = schedule.logsnr.length;
  if (steps !== undefined && steps > all) {
    throw new UsageError(`--steps is ${steps}, but the model's diffusion has ${all} steps. Give at most as many.`);
  }
  // A network that was trained here was told the log SNR itself, and the variance that it had learned was left as it was.
  const own = {
    ...exact,
    ...(told && weights ? { told } : {}),
    ...(learned && weights && variance === undefined ? { learned } : {}),
    variance: variance ?? schedule.variance,
  };
  return steps === undefined ? own : respaced(own, steps);
}
