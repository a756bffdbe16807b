import { lossDomain } from "../figures/loss.ts";
import { renderSvg } from "../figures/render.ts";
import { COLOURS } from "../figures/theme.ts";
import type { MseCurve } from "../evaluation/curve.ts";
import type { EpochMetrics } from "../run/metrics.ts";
import { overlayFigure, type Series, seriesStyle } from "./overlay_figure.ts";
import { type SavedFigure, savedFigure } from "./saved_figure.ts";

/** The curves of one of the runs that are compared. */
export interface ComparedRun {
  readonly label: string;
  readonly metrics: readonly EpochMetrics[];
  /** None where it was not measured. */
  readonly curve?: MseCurve;
}

/** The validation NLL of all runs by epoch; none where no run has finished an epoch. */
export async function comparedLoss(runs: readonly ComparedRun[]): Promise<SavedFigure | undefined> {
  const started = runs.filter(({ metrics }) => metrics.length > 0);
  if (started.length === 0) return undefined;
  const domains = started.map(({ metrics }) =>
    lossDomain({
      epochs: metrics.map((m) => ({
        epoch: m.epoch,
        trainNll: m.val_nll,
        valNll: m.val_nll,
        valNllStderr: m.val_nll_stderr,
      })),
    })
  );
  return await draw("loss", {
    title: "Validation NLL by epoch",
    xTitle: "Epoch",
    yTitle: "NLL, nats",
    description: `Validation negative log likelihood in nats by epoch of ${labels(started)}.`,
    series: runs.map(({ label, metrics }, i) => ({
      label,
      style: seriesStyle(i),
      points: metrics.map((m) => [m.epoch, m.val_nll] as const),
    })),
    yDomain: [Math.min(...domains.map(([low]) => low)), Math.max(...domains.map(([, high]) => high))],
    wholeX: true,
  });
}

/**
 * The mean square error of all runs over log SNR; none where no run's was measured. The Gaussian's is drawn once, where
 * all runs have the same.
 */
export async function comparedMse(runs: readonly ComparedRun[]): Promise<SavedFigure | undefined> {
  const measured = runs.filter((run) => run.curve !== undefined);
  if (measured.length === 0) return undefined;
  const gaussians = measured.map(({ curve }) => curve!.gaussian);
  const same = gaussians.every((one) => one.join() === gaussians[0].join());
  const { logsnr, gaussian } = measured[0].curve!;
  const ideal: Series[] = same
    ? [{
      label: "Gaussian MMSE",
      style: { colour: COLOURS.muted, dashed: true },
      points: logsnr.map((a, k) => [a, gaussian[k]] as const),
    }]
    : [];
  const largest = Math.max(...measured.flatMap(({ curve }) => curve!.gaussian));
  return await draw("mse", {
    title: "Error over log SNR",
    xTitle: "log SNR α, nats",
    yTitle: "E‖ε − ε̂‖²",
    description: `Mean square error over log SNR of ${labels(measured)}.`,
    series: [
      ...runs.map(({ label, curve }, i) => ({
        label,
        style: seriesStyle(i),
        points: curve ? curve.logsnr.map((a, k) => [a, curve.mse[k]] as const) : [],
      })),
      ...ideal,
    ],
    yDomain: [0, 1.1 * largest],
  });
}

async function draw(name: string, record: Parameters<typeof overlayFigure>[0]): Promise<SavedFigure> {
  const drawn = savedFigure(name, await renderSvg(overlayFigure(record)));
  if (!drawn) throw new Error("A figure that was drawn has no size.");
  return drawn;
}

function labels(runs: readonly ComparedRun[]): string {
  return runs.map(({ label }) => label).join(", ");
}
