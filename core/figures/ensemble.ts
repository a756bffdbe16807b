import type { Mark, Spec } from "vega";
import { binCentres, gainsOf, type Winners } from "../evaluation/ensemble.ts";
import {
  type Box,
  figure,
  group,
  type LegendItem,
  legendRow,
  rectangle,
  rule,
  text,
  textWidth,
  title,
} from "./layout.ts";
import { curveArea, curveLine, panel } from "./panel.ts";
import { COLOURS, SIZE } from "./theme.ts";

/** The sizes of the figure's parts in pixels. */
const WIDTH = 660, LEFT = 68, RIGHT = 24, CURVES = 260, BAND = 22, BELOW = 54;

/** The room between the curves and the band, which holds the band's name. */
const GAP = 26;

const MEMBER_COLOURS = [COLOURS.denoiser, COLOURS.train, COLOURS.excess, COLOURS.point] as const;

/** The colour and the stroke of the i-th member; beyond eight they are used again. */
function styleOf(i: number): { readonly colour: string; readonly kind: "line" | "dash" } {
  const colours = MEMBER_COLOURS.length;
  return { colour: MEMBER_COLOURS[i % colours], kind: Math.floor(i / colours) % 2 === 0 ? "line" : "dash" };
}

/**
 * Who wins where in an ensemble: the members' errors less the Gaussian's over log SNR, with one standard error either
 * side, and below a band of the winners by their numbers. Half of the area below zero is what the NLL gains in nats.
 *
 * @param names What to call the members, in their order.
 * @throws {RangeError} Unless there is a name for every member.
 */
export function ensembleFigure(name: string, names: readonly string[], winners: Winners): Spec {
  const { range, members, gaps, stderrs } = winners;
  if (names.length !== members) {
    throw new RangeError(`Got ${names.length} names for ${members} members. Give one for each.`);
  }
  const gains = gainsOf(winners);
  const plot = { x: LEFT, width: WIDTH - LEFT - RIGHT };
  const items = names.map((member, i): LegendItem => ({
    label: `${i + 1} ${member}: ${nats(gains.members[i])} nats`,
    ...styleOf(i),
  }));
  const legend = legendRow(
    [...items, { label: "the data's Gaussian: 0", colour: COLOURS.gaussian, kind: "dash" }],
    LEFT,
    62,
    plot.width,
  );
  const top = 62 + legend.height + 8, bandTop = top + CURVES + GAP;
  const rows = binCentres(winners).map((logsnr, k) => ({
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
  return figure(
    WIDTH,
    bandTop + BAND + BELOW,
    `${name}. Over log SNR: the mean square error of each member of the ensemble less that of the data's Gaussian, and ` +
      "which member wins.",
    [
      title(LEFT, 34, name, plot.width),
      ...legend.marks,
      panel({
        box: { ...plot, y: top, height: CURVES },
        rows,
        xDomain: range,
        yDomain: domainOf(winners),
        yTitle: "MSE less the Gaussian's",
        labels: false,
        marks: [curveLine("zero", COLOURS.gaussian, { width: 1.5, dash: [5, 3] }), ...marks],
      }),
      text(LEFT, bandTop - 7, `who wins; together ${nats(gains.ensemble)} nats`, {
        size: SIZE.tick,
        colour: COLOURS.muted,
      }),
      band({ ...plot, y: bandTop, height: BAND }, winners),
    ],
  );
}

/** One rectangle for each run of bins with one winner, with its number where there is room. */
function band(box: Box, { range, winners, members }: Winners): Mark {
  const starts = winners.flatMap((winner, k) => k === 0 || winner !== winners[k - 1] ? [k] : []);
  const at = (bin: number) => box.width * bin / winners.length;
  const marks = starts.flatMap((start, i): Mark[] => {
    const [left, right] = [at(start), at(starts[i + 1] ?? winners.length)];
    const winner = winners[start], gaussian = winner === members;
    const label = gaussian ? "Gaussian" : String(winner + 1);
    const colour = gaussian ? COLOURS.gaussian : styleOf(winner).colour;
    return [
      rectangle({ x: left, y: 0, width: right - left, height: box.height }, colour, gaussian ? 0.25 : 0.45),
      ...(i === 0 ? [] : [rule([left, 0], [left, box.height], { colour: COLOURS.paper, width: 1.5 })]),
      ...(textWidth(label, SIZE.tick) + 6 > right - left
        ? []
        : [text((left + right) / 2, box.height / 2, label, { size: SIZE.tick, align: "center", baseline: "middle" })]),
    ];
  });
  return group(box, {
    scales: [{ name: "x", type: "linear", domain: [...range], range: [0, box.width], nice: false, zero: false }],
    axes: [{
      orient: "bottom",
      scale: "x",
      tickCount: Math.round(box.width / 62),
      title: "log SNR α, nats",
      titleY: 34,
    }],
    marks,
  });
}

/** A range that holds zero and every member's best with its error; a member that is far worse than the Gaussian leaves it. */
function domainOf({ gaps, stderrs }: Winners): [number, number] {
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
