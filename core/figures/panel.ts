import type { GroupMark, Mark } from "vega";
import { type Box, curveAxes, curveScales, group } from "./layout.ts";

/** One of several plots over the same log SNRs, one below the other. */
export interface Panel {
  /** Its place in pixels; axis labels lie outside, to the left and below. */
  readonly box: Box;
  /** Rows in order of `logsnr`; a value of null breaks its line. */
  readonly rows: readonly Readonly<Record<string, number | null>>[];
  readonly xDomain: readonly [number, number];
  readonly yDomain: readonly [number, number];
  readonly yTitle: string;
  /** Whether the log SNRs are written below: of the lowest panel alone. */
  readonly labels: boolean;
  /** Clipped to the box. */
  readonly marks: readonly Mark[];
  /** Not clipped. */
  readonly around?: readonly Mark[];
}

/** A plot of curves over log SNR. Its data is named `curve`, its scales `x` and `y`. */
export function panel({ box, rows, xDomain, yDomain, yTitle, labels, marks, around = [] }: Panel): GroupMark {
  const [left, bottom] = curveAxes(box, "log SNR α, nats", yTitle, yDomain);
  return group(box, {
    data: [{ name: "curve", values: [...rows] }],
    scales: curveScales(box, xDomain, yDomain),
    axes: [left, labels ? bottom : unlabelled(bottom)],
    marks: [
      group({ x: 0, y: 0, width: box.width, height: box.height }, { marks: [...marks] }, { clip: true }),
      ...around,
    ],
  });
}

/** An axis that leaves its numbers to the one of a lower panel. */
export function unlabelled<T extends { title?: unknown; titleY?: unknown }>(axis: T) {
  const { title: _, titleY: __, ...rest } = axis;
  return { ...rest, labels: false };
}

/** A range of y that holds zero and all values, with some room beyond them. */
export function withZero(values: readonly number[]): [number, number] {
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const margin = Math.max(0.06 * (high - low), 1e-9);
  return [low < 0 ? low - margin : 0, high + margin];
}

/** A line of a panel's rows. */
export function curveLine(
  field: string,
  colour: string,
  { width = 2, dash }: { readonly width?: number; readonly dash?: readonly number[] } = {},
): Mark {
  return {
    type: "line",
    from: { data: "curve" },
    encode: {
      enter: {
        x: { scale: "x", field: "logsnr" },
        y: { scale: "y", field },
        defined: { signal: `isValid(datum.${field})` },
        stroke: { value: colour },
        strokeWidth: { value: width },
        strokeJoin: { value: "round" },
        ...(dash ? { strokeDash: { value: [...dash] } } : {}),
      },
    },
  };
}

/** What lies between two fields of a panel's rows, or expressions of them such as `max(0, datum.gain)`. */
export function curveArea(low: string, high: string, colour: string, opacity: number): Mark {
  return {
    type: "area",
    from: { data: "curve" },
    encode: {
      enter: {
        x: { scale: "x", field: "logsnr" },
        y: { scale: "y", signal: high },
        y2: { scale: "y", signal: low },
        defined: { signal: `isValid(${low}) && isValid(${high})` },
        fill: { value: colour },
        fillOpacity: { value: opacity },
      },
    },
  };
}
