import type { Proposal } from "../diffusion/logsnr.ts";
import type { Engine, State } from "../engine/mod.ts";
import { createFlowMeter } from "../evaluation/flow_meter.ts";
import { PROBES, RunningFlowNll } from "../evaluation/flow_nll.ts";
import { type Denoiser, referenceOf } from "../plugins/contracts.ts";
import type { EstimateRequest, OpenEstimate } from "./nll_estimate.ts";
import type { OpenModel } from "./open_weights.ts";

/**
 * The likelihood of a model's probability flow, ready for its rounds.
 *
 * @param state Of the denoiser's parameters; disposed of with the estimate.
 */
export async function openFlow(
  engine: Engine,
  state: State,
  denoiser: Denoiser,
  { info }: OpenModel,
  proposal: Proposal,
  { samples, random, batch, tolerance: asked, from }: EstimateRequest,
): Promise<OpenEstimate> {
  const meter = await createFlowMeter(engine, state, (s) => s, denoiser, info, batch);
  const reference = referenceOf(info);
  const running = new RunningFlowNll(meter, samples, {
    ...{ proposal, reference, gaussian: info.gaussian, random },
    ...(asked === undefined ? {} : { tolerance: asked }),
    ...(from ? { from } : {}),
  });
  return {
    running,
    rounds: meter.exact ? 1 : PROBES,
    isExact: meter.exact,
    facts() {
      const { solver, range, blur } = running.errors();
      const { tolerance } = running, divergence = meter.exact ? "exact" : "estimated";
      return {
        record: { divergence, tolerance, solver_error: solver, range_error: range, blur },
        lines: [
          `     the solver's error is below ${
            short(solver)
          } nats, at a tolerance of ${tolerance}; what lies beyond the ` +
          `log SNRs is known to ${short(range)} nats`,
        ],
      };
    },
    dispose() {
      meter[Symbol.dispose]();
      state.dispose();
      return Promise.resolve();
    },
  };
}

function short(x: number): string {
  return String(Number(x.toPrecision(2)));
}
