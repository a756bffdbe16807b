import type { GroupMark, Mark, Spec } from "vega";
import {
  type Box,
  curveAxes,
  curveScales,
  figure,
  group,
  type LegendItem,
  legendRow,
  rule,
  text,
  textWidth,
  title,
} from "./layout.ts";
import { curveArea, curveLine } from "./panel.ts";
import type { LogSnrProposal, MseRecord } from "./records.ts";
import { COLOURS, SIZE } from "./theme.ts";

/** One log SNR of the curve. A value that is not finite is null, which breaks the line. */
interface MsePoint {
  readonly logsnr: number;
  readonly mse: number | null;
  readonly gaussian: number | null;
  readonly standard: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

type Curves = Omit<MseRecord, "title">;

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}

/** The curve as rows in order of log SNR. */
function rowsOf(record: Curves): MsePoint[] {
  const n = record.logsnr.length;
  const series = { mse: record.mse, gaussian: record.gaussian, stderr: record.stderr, standard: record.standard };
  for (const [name, values] of Object.entries(series)) {
    if (values && values.length !== n) {
      throw new RangeError(`Got ${values.length} values of "${name}" for ${n} log SNRs. Give one for each log SNR.`);
    }
  }
  const rows = record.logsnr.map((logsnr, i) => {
    const mse = finite(record.mse[i]);
    const error = finite(record.stderr?.[i]);
    return {
      logsnr,
      mse,
      gaussian: finite(record.gaussian[i]),
      standard: finite(record.standard?.[i]),
      low: mse === null || error === null ? null : Math.max(0, mse - error),
      high: mse === null || error === null ? null : mse + error,
    };
  }).filter((row) => Number.isFinite(row.logsnr)).sort((a, b) => a.logsnr - b.logsnr);
  if (rows.length === 0) throw new RangeError("The MSE curve has no points. Give at least one finite log SNR.");
  return rows;
}

/** ½ ∫ (mse − gaussian) dα in nats by the trapezoidal rule: how far below the Gaussian's entropy the NLL lies. */
function halfGap(rows: readonly MsePoint[]): number {
  let sum = 0;
  for (let i = 1; i < rows.length; i++) {
    const [a, b] = [rows[i - 1], rows[i]];
    if (a.mse === null || a.gaussian === null || b.mse === null || b.gaussian === null) continue;
    sum += 0.25 * (b.logsnr - a.logsnr) * (a.mse - a.gaussian + b.mse - b.gaussian);
  }
  return sum;
}

/** A bracket from loc − scale to loc + scale with a tick at loc, above the plot: `y` is negative. */
function bracket(proposal: LogSnrProposal, name: string, y: number, x: (logsnr: number) => number, box: Box): Mark[] {
  const clamp = (value: number) => Math.min(box.width, Math.max(0, value));
  const [low, mid, high] = [-1, 0, 1].map((k) => x(proposal.loc + k * proposal.scale));
  const [loc, scale] = [short(proposal.loc), short(proposal.scale)];
  const [before, after] = [clamp(low) - 8, clamp(high) + 8];
  // The numbers stand to the right of the bracket, else to its left, else in short where there is more room.
  const [long, brief] = [`${name}: loc ${loc}, scale ${scale}`, `${name} ${loc} ± ${scale}`];
  const right = box.width + 16 - after;
  const label = textWidth(long, SIZE.tick) <= Math.max(right, before) ? long : brief;
  const fits = textWidth(label, SIZE.tick) <= right || right > before;
  const marks: Mark[] = [
    rule([clamp(low), y], [clamp(high), y], { colour: COLOURS.line, width: 1.5 }),
    text(fits ? after : before, y, label, {
      size: SIZE.tick,
      colour: COLOURS.muted,
      baseline: "middle",
      align: fits ? "left" : "right",
    }),
  ];
  for (const end of [low, high]) {
    if (end === clamp(end)) marks.push(rule([end, y - 3.5], [end, y + 3.5], { colour: COLOURS.line, width: 1.5 }));
  }
  if (mid === clamp(mid)) marks.push(rule([mid, y - 4.5], [mid, y + 4.5], { colour: COLOURS.muted, width: 2 }));
  return marks;
}

function short(value: number): string {
  return String(Number(value.toPrecision(3))).replace("-", "−");
}

/** The height in pixels that `msePlot` needs above its box for the brackets of its proposals. */
export function mseHeadroom(record: Curves): number {
  return record.suggestion ? 44 : record.even ? 12 : 26;
}

/** What the lines of `msePlot` mean. */
export function mseLegend(record: Curves): LegendItem[] {
  const gap = halfGap(rowsOf(record));
  const known = record.stderr?.some((error) => error > 0) ?? false;
  const items: LegendItem[] = [
    { label: known ? "denoiser ± 1 s.e." : "denoiser", colour: COLOURS.denoiser, kind: "line" },
    { label: "Gaussian MMSE", colour: COLOURS.gaussian, kind: "dash" },
    {
      label: `gap, ½∫ ≈ ${gap.toFixed(Math.abs(gap) < 100 ? 2 : 0).replace("-", "−")} nats`,
      colour: COLOURS.gap,
      kind: "area",
    },
  ];
  if (record.standard) items.push({ label: "standard Gaussian", colour: COLOURS.muted, kind: "thin" });
  return items;
}

/**
 * The curves of the MSE figure within a box, in pixels; axis labels lie outside, to the left and below.
 *
 * @throws {RangeError} If the arrays differ in length or hold no finite log SNR.
 */
export function msePlot(record: Curves, box: Box): GroupMark {
  const rows = rowsOf(record);
  const [first, last] = [rows[0].logsnr, rows[rows.length - 1].logsnr];
  const [from, to] = last > first ? [first, last] : [first - 1, first + 1];
  const x = (logsnr: number) => box.width * (logsnr - from) / (to - from);
  // An untrained denoiser's error can be anything: past 1.5 times the dimension it only hides the curves.
  const largest = Math.max(...rows.flatMap((row) => [row.mse ?? 0, row.gaussian ?? 0, row.standard ?? 0]));
  const top = Math.min(Math.max(largest, 1e-6) * 1.06, 1.5 * record.dimension);
  // An even proposal is the whole of the axis.
  const brackets = record.even ? [] : bracket(record, "proposal", -12, x, box);
  if (record.suggestion) brackets.push(...bracket(record.suggestion, "suggested", -30, x, box));
  const curves: Mark[] = [
    curveArea("min(datum.mse, datum.gaussian)", "datum.gaussian", COLOURS.gap, 0.24),
    curveArea("datum.gaussian", "max(datum.mse, datum.gaussian)", COLOURS.excess, 0.3),
    ...(record.stderr ? [curveArea("datum.low", "datum.high", COLOURS.denoiser, 0.22)] : []),
    ...(record.standard ? [curveLine("standard", COLOURS.muted, { width: 1 })] : []),
    curveLine("gaussian", COLOURS.gaussian, { width: 1.75, dash: [5, 3] }),
    curveLine("mse", COLOURS.denoiser, { width: 2.25 }),
  ];
  return group(box, {
    data: [{ name: "curve", values: rows }],
    scales: curveScales(box, [from, to], [0, top]),
    axes: curveAxes(box, "log SNR α, nats", "E‖ε − ε̂‖²", [0, top]),
    marks: [
      group({ x: 0, y: 0, width: box.width, height: box.height }, { marks: curves }, { clip: true }),
      ...brackets,
    ],
  });
}

/**
 * The denoiser's mean square error over log SNR against the MMSE of the data's Gaussian. The area between them, half
 * of it in nats, is what the NLL gains on the Gaussian's entropy; where the denoiser is worse it turns orange.
 *
 * @throws {RangeError} If the arrays differ in length or hold no finite log SNR.
 */
export function mseFigure(record: MseRecord): Spec {
  const [width, plot] = [660, 300];
  const left = 68;
  const legend = legendRow(mseLegend(record), left, 60, width - left - 24);
  const top = 60 + legend.height + mseHeadroom(record);
  return figure(
    width,
    top + plot + 54,
    `${record.title}. Mean square error of the denoiser over log SNR, against the MMSE of the data's Gaussian.`,
    [
      title(left, 34, record.title, width - left - 24),
      ...legend.marks,
      msePlot(record, { x: left, y: top, width: width - left - 24, height: plot }),
    ],
  );
}
