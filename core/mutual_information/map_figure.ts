import type { Mark, Spec } from "vega";
import { figure, rectangle, rule, shortened, subtitle, text, textWidth, title } from "../figures/layout.ts";
import { encodePng, type ImageShape, type Picture } from "../figures/pictures.ts";
import { BANDS, COLOURS, SIZE } from "../figures/theme.ts";

/** A picture with the information of each of its pixels. */
export interface MappedPicture {
  readonly picture: Picture;
  /** What is known of it. */
  readonly label: string;
  /** In nats, each at least 0, `[height, width]`. */
  readonly map: Float64Array;
  /** What the pixels have together, in nats. */
  readonly nats: number;
}

/** What a figure of maps shows. */
export interface MapRecord {
  readonly title: string;
  readonly subtitle: string;
  /** Pictures of one size, in rows. */
  readonly rows: readonly (readonly MappedPicture[])[];
  /** The mean map over all samples, `[height, width]`, in nats. */
  readonly mean: Float64Array;
}

/** The sizes of the figure's parts in pixels. */
const MARGIN = 24, GAP = 6, BETWEEN = 22, ROW = 22, SIDE = 72, MEAN = 160, BAR = 12, LEAST_WIDTH = 460;

/** Where the colours of a map end: this part of all its values lies below. */
const TOP_SHARE = 0.995;

/** From nothing to the most. */
const RAMP = [COLOURS.paper, ...BANDS, COLOURS.denoiser].map((hex) =>
  [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16))
);

/** The sum over the channels of each pixel. @param values `[channels, height, width]`. */
export function overChannels(values: Float64Array, { width, height }: Pick<ImageShape, "width" | "height">) {
  const pixels = width * height, map = new Float64Array(pixels);
  values.forEach((value, i) => map[i % pixels] += value);
  return map;
}

/**
 * Where in pictures their information lies: each beside its map, and the mean map over all samples. Maps of pictures have
 * one scale of colours, the mean one its own.
 *
 * @throws {RangeError} For no pictures.
 */
export function informationMapFigure({ title: name, subtitle: how, rows, mean }: MapRecord): Spec {
  const all = rows.flat();
  if (all.length === 0) throw new RangeError("Got no pictures, but a figure of maps needs at least one.");
  const { width: w, height: h } = all[0].picture, scale = SIDE / Math.max(w, h), side = { w: w * scale, h: h * scale };
  const pair = 2 * side.w + GAP, most = Math.max(...rows.map((row) => row.length));
  const left = MARGIN + BAR + 52 + MEAN + BETWEEN;
  const width = Math.max(LEAST_WIDTH, left + most * pair + (most - 1) * BETWEEN + MARGIN);
  const told = subtitle(MARGIN, 56, how, width - 2 * MARGIN), top = 78 + told.height;
  const last = top + 18 + rows.length * (side.h + ROW);
  const tops = { own: topOf(all.flatMap(({ map }) => [...map])), mean: topOf([...mean]) };
  const meanSide = { w: MEAN * w / Math.max(w, h), h: MEAN * h / Math.max(w, h) };
  const barTop = top + 18 + meanSide.h + 64;
  const marks: Mark[] = [
    title(MARGIN, 34, name, width - 2 * MARGIN),
    ...told.marks,
    text(MARGIN, top + 6, "mean of all, nats a pixel", { size: SIZE.label }),
    image(coloured(mean, w, h, tops.mean), { x: MARGIN, y: top + 18, ...meanSide }),
    ...bar(MARGIN + MEAN + GAP, top + 18, meanSide.h, tops.mean),
    text(MARGIN, barTop - 10, "maps of pictures, nats a pixel", { size: SIZE.label }),
    ...bar(MARGIN, barTop, MEAN, tops.own),
    text(left, top + 6, "pictures, each beside its map", { size: SIZE.label }),
    ...rows.flatMap((row, r) => {
      const y = top + 18 + r * (side.h + ROW);
      return row.flatMap(({ picture, label, map, nats }, k): Mark[] => {
        const x = left + k * (pair + BETWEEN), box = { y, ...side }, amount = `${nats.toFixed(2)} nats`;
        const room = pair - textWidth(`${amount} `, SIZE.tick);
        return [
          image(picture, { x, ...box }),
          image(coloured(map, w, h, tops.own), { x: x + side.w + GAP, ...box }),
          text(x, y + side.h + 14, shortened(label, SIZE.tick, room), { size: SIZE.tick, colour: COLOURS.muted }),
          text(x + pair, y + side.h + 14, amount, {
            ...{ size: SIZE.tick, colour: COLOURS.muted, align: "right" },
          }),
        ];
      });
    }),
  ];
  const described = `${name}. ${how}. ${all.length} pictures beside maps of what each pixel says, and the mean map.`;
  return figure(width, Math.max(last, barTop + MEAN) + MARGIN, described, marks);
}

/** Where the colours of some values end. */
function topOf(values: number[]): number {
  const sorted = values.sort((a, b) => a - b);
  return Math.max(sorted[Math.floor(TOP_SHARE * (sorted.length - 1))], 1e-9);
}

/** A map in colours from nothing to `top`. */
function coloured(map: Float64Array, width: number, height: number, top: number): Picture {
  const data = new Uint8Array(3 * map.length);
  map.forEach((value, i) => data.set(colourAt(value / top), 3 * i));
  return { width, height, channels: 3, data };
}

function colourAt(share: number): number[] {
  const at = Math.min(1, Math.max(0, share)) * (RAMP.length - 1), k = Math.min(RAMP.length - 2, Math.floor(at));
  return RAMP[k].map((low, c) => Math.round(low + (at - k) * (RAMP[k + 1][c] - low)));
}

/** An upright scale of the colours, with its ends and middle in nats. */
function bar(x: number, y: number, height: number, top: number): Mark[] {
  const steps = 64, shades = new Float64Array(steps).map((_, i) => top * (1 - i / (steps - 1)));
  return [
    image(coloured(shades, 1, steps, top), { x, y, w: BAR, h: height }),
    ...[0, 0.5, 1].flatMap((share) => {
      const at = y + height * (1 - share), label = `${share === 1 ? "≥ " : ""}${Number((share * top).toPrecision(2))}`;
      return [
        rule([x + BAR, at], [x + BAR + 4, at], { colour: COLOURS.line }),
        text(x + BAR + 7, at, label, { size: SIZE.tick, colour: COLOURS.muted, baseline: "middle" }),
      ];
    }),
  ];
}

/** A picture that readers enlarge without smoothing, in a thin frame: a pale map ends nowhere else. */
function image(picture: Picture, { x, y, w, h }: { x: number; y: number; w: number; h: number }): Mark {
  return {
    type: "group",
    encode: { enter: { x: { value: x }, y: { value: y } } },
    marks: [
      rectangle({ x: -1, y: -1, width: w + 2, height: h + 2 }, COLOURS.line),
      {
        type: "image",
        encode: {
          enter: {
            url: { value: `data:image/png;base64,${encodePng(picture).toBase64()}` },
            ...{ x: { value: 0 }, y: { value: 0 }, width: { value: w }, height: { value: h } },
            ...{ aspect: { value: false }, smooth: { value: picture.width > w } },
          },
        },
      },
    ],
  };
}
