import type { ContourRecord, MseRecord, OverviewRecord } from "../../../core/figures/mod.ts";

const SIDE = 31;

/** A Gaussian's log density with the given standard deviation, as a panel. */
function panel(epoch: number, deviation: number) {
  const logDensity = Float32Array.from({ length: SIDE * SIDE }, (_, i) => {
    const [x, y] = [i % SIDE, Math.floor(i / SIDE)].map((k) => -3 + 6 * k / (SIDE - 1));
    return -(x * x + y * y) / (2 * deviation ** 2) - Math.log(2 * Math.PI * deviation ** 2);
  });
  return { epoch, logDensity };
}

/** A contour record of `count` panels. */
export function contourRecord(count: number): ContourRecord {
  return {
    title: "ring",
    panels: Array.from({ length: count }, (_, i) => panel(20 * (i + 1), 1 - 0.08 * i)),
    side: SIDE,
    extent: 3,
    points: Float32Array.from({ length: 600 }, (_, i) => Math.sin(i * 1.7)),
  };
}

const logsnr = Array.from({ length: 25 }, (_, i) => i - 12);
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** An MSE curve that lies one hundredth below the Gaussian's at every log SNR: a gap of ½ · 24 · 0.01 nats. */
export const mseRecord: MseRecord = {
  title: "ring",
  logsnr,
  gaussian: logsnr.map((a) => 2 * sigmoid(a) + 0.01),
  mse: logsnr.map((a) => 2 * sigmoid(a)),
  stderr: logsnr.map(() => 0.01),
  dimension: 2,
  loc: 0,
  scale: 3,
  suggestion: { loc: -1.5, scale: 1.25 },
};

/** A run whose first epoch is thousands of nats off. */
export const epochs = Array.from({ length: 40 }, (_, i) => ({
  epoch: i + 1,
  trainNll: i === 0 ? 9000 : 1.3 + 0.01 * (i % 3),
  valNll: i === 0 ? 8000 : 1.35 + 0.01 * (i % 2),
  valNllStderr: 0.02,
}));

export const overviewRecord: OverviewRecord = {
  title: "ring",
  nll: 0.7123,
  nllStderr: 0.0312,
  density: panel(160, 0.5),
  side: SIDE,
  extent: 3,
  points: contourRecord(1).points,
  mse: mseRecord,
  loss: { epochs, entropy: 0.62 },
};
