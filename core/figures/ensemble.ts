import type { Spec } from "vega";
import type { Combination } from "../evaluation/ensemble.ts";
import { blendNodes } from "../reference/blend.ts";
import { figure, type LegendItem, legendRow, text, title } from "./layout.ts";
import { curveArea, curveLine, panel } from "./panel.ts";
import { COLOURS, SIZE } from "./theme.ts";

/** The sizes of the figure's parts in pixels. */
const WIDTH = 660, LEFT = 68, RIGHT = 24, CURVES = 240, SHARES = 110, BELOW = 54;

/** The room between the curves and the shares, which holds the shares' name. */
const GAP = 30;

const MEMBER_COLOURS = [COLOURS.denoiser, COLOURS.train, COLOURS.excess, COLOURS.point] as const;

/** The colour and the stroke of the i-th member; beyond eight they are used again. */
function styleOf(i: number): { readonly colour: string; readonly kind: "line" | "dash" } {
  const colours = MEMBER_COLOURS.length;
  return { colour: MEMBER_COLOURS[i % colours], kind: Math.floor(i / colours) % 2 === 0 ? "line" : "dash" };
}

/**
 * Who counts where in an ensemble: the members' errors less the reference's over log SNR, with one standard error either
 * side, and below each one's share λ(α). Half of the area below zero is what the NLL gains in nats.
 *
 * @param names What to call the members, in their order.
 * @throws {RangeError} Unless there is a name for every member.
 */
export function ensembleFigure(name: string, names: readonly string[], combination: Combination): Spec {
  const { range, members, gaps, stderrs, gains, gain, weights } = combination;
  if (names.length !== members) {
    throw new RangeError(`Got ${names.length} names for ${members} members. Give one for each.`);
  }
  const plot = { x: LEFT, width: WIDTH - LEFT - RIGHT };
  const items = names.map((member, i): LegendItem => ({
    label: `${i + 1} ${member}: ${Number.isFinite(gains[i]) ? `${nats(gains[i])} nats` : "diverged"}`,
    ...styleOf(i),
  }));
  const legend = legendRow(
    [...items, { label: "the reference: 0", colour: COLOURS.gaussian, kind: "dash" }],
    LEFT,
    62,
    plot.width,
  );
  const top = 62 + legend.height + 8, below = top + CURVES + GAP;
  const nodes = blendNodes(range);
  const rows = nodes.map((logsnr, k) => ({
    logsnr,
    zero: 0,
    ...Object.fromEntries(gaps.flatMap((row, i) => {
      const known = Number.isFinite(row[k]);
      const at = (side: number) => known ? row[k] + side * stderrs[i][k] : null;
      return [[`gap${i}`, at(0)], [`low${i}`, at(-1)], [`high${i}`, at(1)]];
    })),
  }));
  const marks = gaps.flatMap((_, i) => {
    const { colour, kind } = styleOf(i);
    return [
      curveArea(`datum.low${i}`, `datum.high${i}`, colour, 0.16),
      curveLine(`gap${i}`, colour, kind === "dash" ? { dash: [5, 3] } : {}),
    ];
  });
  // Stacked from below, the first member's at the bottom and the reference's on top.
  const shares = nodes.map((logsnr, k) => {
    let sum = 0;
    return { logsnr, from0: 0, ...Object.fromEntries(weights[k].map((own, i) => [`from${i + 1}`, sum += own])) };
  });
  const areas = Array.from({ length: members + 1 }, (_, i) => {
    const isReference = i === members;
    const { colour } = isReference ? { colour: COLOURS.gaussian } : styleOf(i);
    return curveArea(`datum.from${i}`, `datum.from${i + 1}`, colour, isReference ? 0.25 : 0.5);
  });
  return figure(
    WIDTH,
    below + SHARES + BELOW,
    `${name}. Over log SNR: the mean square error of each member of the ensemble less that of the reference, and each ` +
      "one's share.",
    [
      title(LEFT, 34, name, plot.width),
      ...legend.marks,
      panel({
        box: { ...plot, y: top, height: CURVES },
        rows,
        xDomain: range,
        yDomain: domainOf(combination),
        yTitle: "MSE less the reference's",
        labels: false,
        marks: [curveLine("zero", COLOURS.gaussian, { width: 1.5, dash: [5, 3] }), ...marks],
      }),
      text(LEFT, below - 8, `together: ${nats(gain)} nats`, { size: SIZE.tick, colour: COLOURS.muted }),
      panel({
        box: { ...plot, y: below, height: SHARES },
        rows: shares,
        xDomain: range,
        yDomain: [0, 1],
        yTitle: "share λ(α)",
        labels: true,
        marks: areas,
      }),
    ],
  );
}

/** A range that holds zero and every member's best with its error; a member that is far worse than the reference leaves it. */
function domainOf({ gaps, stderrs }: Combination): [number, number] {
  const values = gaps.flatMap((row, i) => row.flatMap((gap, k) => [gap - stderrs[i][k], gap + stderrs[i][k]]))
    .filter(Number.isFinite);
  const low = Math.min(0, ...values), high = Math.max(0, ...values);
  const top = low < 0 ? Math.min(high, -low) : high;
  const margin = Math.max(0.06 * (top - low), 1e-9);
  return [low - margin, top + margin];
}

/** A gain in nats as what it adds to the NLL. */
function nats(gain: number): string {
  return (-gain).toFixed(Math.abs(gain) < 100 ? 3 : 0).replace("-", "−");
}
