import { countOf, DataFileError } from "../io/data_array.ts";
import type { StoredRows } from "../io/stored_rows.ts";
import { sizeOf } from "../data/tensors.ts";

/** What a sample is, and where in a row of the file its values lie. */
export interface Layout {
  /** The shape of a sample, channels first. */
  readonly shape: readonly number[];
  /** For each value of a sample its place in a row of the file; as they come, if left out. */
  readonly order?: Uint32Array;
  readonly notes: readonly string[];
}

/** The orders of the axes of images that can be asked for. */
export const LAYOUTS = ["auto", "nchw", "nhwc"] as const;

const MAX_CHANNELS = 4;

/**
 * The rows as samples: `[n]` and `[n, d]` are points, `[n, h, w]` grey images, `[n, c, h, w]` and `[n, h, w, c]` images of
 * 1 to 4 channels, `[h, w, 3]` and `[h, w, 4]` a single photograph.
 *
 * Where a model's samples have a shape, the reading that gives it is taken.
 *
 * @param name The array's, for messages.
 * @param layout One of {@linkcode LAYOUTS}.
 * @param wanted The shape of a model's sample, where there is one.
 * @throws {DataFileError} For another shape.
 */
export function laidOut(
  rows: StoredRows,
  name: string,
  layout: string,
  wanted?: readonly number[],
): { rows: StoredRows; layout: Layout } {
  const { shape, notes } = rows,
    isImage = wanted?.length === 3,
    fits = (shape: readonly number[]) => `${shape}` === `${wanted}`;
  if (shape.length === 4 && layout === "auto" && isImage) {
    const other = LAYOUTS.slice(1).find((each) => fits(shapeOf(shape, each)));
    if (other) return { rows, layout: layoutOf(name, shape, other, notes) };
  }
  if (shape.length === 3 && isImage && layout !== "nhwc" && fits(shape) && shape[0] > 1) {
    return onePhotograph(rows, name, "nchw");
  }
  if (shape.length === 3 && isPhotograph(shape)) return onePhotograph(rows, name, "nhwc");
  return { rows, layout: layoutOf(name, shape, layout, notes) };
}

/** An array of three axes as one image. */
function onePhotograph(rows: StoredRows, name: string, layout: string): { rows: StoredRows; layout: Layout } {
  const { shape } = rows, [size] = shape;
  const one: StoredRows = {
    ...rows,
    shape: [1, ...shape],
    packed: 1,
    read: (begin, end) => rows.read(begin * size, end * size),
    [Symbol.dispose]: () => rows[Symbol.dispose](),
  };
  const { notes, ...rest } = layoutOf(name, one.shape, layout, rows.notes);
  return { rows: one, layout: { ...rest, notes: [...notes, `[${shape}] taken for one photograph`] } };
}

/** The shape of an image in an array of four axes. */
function shapeOf([, a, b, c]: readonly number[], layout: string): number[] {
  return layout === "nhwc" ? [c, a, b] : [a, b, c];
}

/** Whether an array of three axes is one image with its channels last, and not some grey ones. */
function isPhotograph([a, b, c]: readonly number[]): boolean {
  return (c === 3 || c === 4) && a > MAX_CHANNELS && b > MAX_CHANNELS;
}

function layoutOf(name: string, shape: readonly number[], layout: string, notes: readonly string[] = []): Layout {
  if (countOf(shape, name) === 0) {
    throw new DataFileError(`${name} has the shape [${shape}], expected rows of samples.`);
  }
  const [, a, b, c] = shape;
  if (shape.length === 1) return { shape: [1], notes };
  if (shape.length === 2) return { shape: [a], notes };
  if (shape.length === 3) return { shape: [1, a, b], notes };
  if (shape.length === 4) {
    const channelsLast = layout === "auto" ? c < a : layout === "nhwc";
    const image = shapeOf(shape, channelsLast ? "nhwc" : "nchw");
    if (image[0] > MAX_CHANNELS) {
      throw new DataFileError(
        `${name} has the shape [${shape}], which has ${image[0]} channels, expected at most ${MAX_CHANNELS}: ` +
          "[n, channels, height, width] or [n, height, width, channels]. Set --layout, or store images.",
      );
    }
    const isDoubtful = layout === "auto" && a <= MAX_CHANNELS && c <= MAX_CHANNELS;
    const other = channelsLast ? "nchw" : "nhwc", said = channelsLast ? "last" : "first";
    return {
      shape: image,
      ...(channelsLast ? { order: channelsFirst(image) } : {}),
      notes: isDoubtful ? [...notes, `[${shape}] taken with channels ${said}, --layout ${other} if not`] : notes,
    };
  }
  throw new DataFileError(
    `${name} has the shape [${shape}], expected points [n, d] or images [n, h, w], [n, c, h, w] or [n, h, w, c].`,
  );
}

/** A layout whose values come in another order. @param order Their places among those that it has now; as they are, if left out. */
export function reordered(layout: Layout, order: Uint32Array | undefined, shape = layout.shape): Layout {
  if (!order) return { ...layout, shape };
  return { ...layout, shape, order: order.map((place) => layout.order ? layout.order[place] : place) };
}

/** The places of the values of an image whose channels come last. */
function channelsFirst([channels, height, width]: readonly number[]): Uint32Array {
  const pixels = height * width;
  return Uint32Array.from({ length: channels * pixels }, (_, i) => i % pixels * channels + Math.floor(i / pixels));
}

/** A sample in words: `images of 3 x 32 x 32`, `points of 5 values`. */
export function describeShape(shape: readonly number[], count: number): string {
  const many = count === 1 ? "" : "s";
  return shape.length === 1
    ? `${count} row${many} of ${sizeOf(shape)} ${sizeOf(shape) === 1 ? "value" : "values"}`
    : `${count} image${many} of ${shape.join(" x ")}`;
}
