import type { Spec } from "vega";
import type { AxisMap } from "../data/standardisation.ts";
import { type Samples, selectRows, toFloat32 } from "../data/samples.ts";
import { imageGridFigure } from "../figures/image_grid.ts";
import { type ImageShape, pictureOf } from "../figures/pictures.ts";
import { qualityFigure } from "../figures/quality.ts";
import { excess } from "../quality/findings.ts";
import { histograms } from "../quality/histograms.ts";
import type { Quality } from "../quality/compare.ts";
import type { Nearest } from "../quality/nearest_records.ts";
import type { ComparedTable } from "../quality/compare.ts";
import { tableOf } from "../quality/table.ts";
import { inUnits } from "./sample_files.ts";

/** Columns that are drawn: those that are the farthest off. */
const MOST_COLUMNS = 12;

/** Pairs of pictures that are drawn, and how many of them in a row. */
const PAIRS = 32, ACROSS = 4;

/** What a figure says besides what it shows. */
export interface FigureText {
  readonly title: string;
  readonly subtitle: string;
}

/**
 * Histograms of columns, in the units of the data's file, and of two columns the rows as the model sees them.
 *
 * @param samples `[n, d]`, and `heldOut` too.
 */
export function columnsFigure(
  text: FigureText,
  quality: Quality,
  { samples, heldOut, names, axes, table }: {
    readonly samples: Float32Array;
    readonly heldOut: Float32Array;
    readonly names: readonly string[];
    readonly axes: AxisMap | undefined;
    readonly table?: ComparedTable | undefined;
  },
): Spec {
  const all = table
    ? histograms(tableOf(table.heldOut, table.names, table.kinds), tableOf(table.samples, table.names, table.kinds))
    : histograms(tableOf(inUnits(heldOut, axes), names), tableOf(inUnits(samples, axes), names));
  const farness = quality.columns.map(({ wasserstein, totalVariation }) => {
    const one = wasserstein ?? totalVariation;
    return one ? excess(one) : 0;
  });
  const places = [...all.keys()].sort((a, b) => farness[b] - farness[a]).slice(0, MOST_COLUMNS).sort((a, b) => a - b);
  const extent = 1.05 *
    Math.max(1e-6, ...[heldOut, samples].map((rows) => rows.reduce((m, x) => Math.max(m, Math.abs(x)), 0)));
  return qualityFigure({
    ...text,
    columns: places.map((k) => all[k]),
    ...(names.length === 2 && !table ? { points: { heldOut, samples, extent } } : {}),
  });
}

/** The samples that lie the closest to a training image, each beside it. */
export function pairsFigure(
  text: FigureText,
  { samples, training, nearest, shape, range }: {
    readonly samples: Float32Array;
    readonly training: Samples;
    readonly nearest: Nearest;
    readonly shape: ImageShape;
    readonly range: readonly [number, number];
  },
): Spec {
  const d = training.dimension, count = samples.length / d;
  const closest = [...Array(count).keys()].sort((a, b) => nearest.distances[a] - nearest.distances[b]).slice(0, PAIRS);
  const pictures = closest.flatMap((i) => {
    const record = toFloat32(selectRows(training, nearest.rows.subarray(i, i + 1)));
    return [samples.subarray(i * d, (i + 1) * d), record].map((sample) => pictureOf(sample, shape, range));
  });
  return imageGridFigure(text, pictures, {
    columns: 2 * Math.min(ACROSS, closest.length),
    what: "images: the samples that lie the closest to a training image, each before it,",
  });
}
