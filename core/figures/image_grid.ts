import type { Mark, Spec } from "vega";
import { figure, subtitle, title } from "./layout.ts";
import { encodePng, type Picture, pictureGrid } from "./pictures.ts";
import type { SamplesRecord } from "./records.ts";

const MARGIN = 24;
const TOP = 74;

/** Small pictures are enlarged by a whole number as long as the grid is no wider than this, in pixels. */
const ENLARGED = 640;

/** A grid that is wider than this is made smaller, in pixels. */
const MAX_WIDTH = 1024;

/** A figure is at least so wide, so that its title has room. */
const MIN_WIDTH = 360;

/** What a grid shows where it is not of samples. */
export interface GridOptions {
  /** Pictures in a row; so many that it is about square, if left out. */
  readonly columns?: number;
  /** What they are, in words; sampled images, if left out. */
  readonly what?: string;
}

/**
 * Sampled images in a grid. The figure holds the grid as a PNG, which readers enlarge without smoothing.
 *
 * @param pictures At least one, all of one size.
 * @throws {RangeError} If there are none.
 */
export function imageGridFigure(
  { title: name, subtitle: how }: SamplesRecord,
  pictures: readonly Picture[],
  { columns, what = "sampled images" }: GridOptions = {},
): Spec {
  if (pictures.length === 0) throw new RangeError("Got no pictures, but a grid needs at least one. Draw a sample.");
  const grid = pictureGrid(pictures, columns);
  const scale = Math.min(MAX_WIDTH / grid.width, Math.max(1, Math.floor(ENLARGED / grid.width)));
  const [width, height] = [grid.width * scale, grid.height * scale];
  const inner = Math.max(MIN_WIDTH, width);
  const told = subtitle(MARGIN, 56, how, inner), top = TOP + told.height;
  const image: Mark = {
    type: "image",
    encode: {
      enter: {
        url: { value: `data:image/png;base64,${encodePng(grid).toBase64()}` },
        x: { value: MARGIN },
        y: { value: top },
        width: { value: width },
        height: { value: height },
        smooth: { value: scale < 1 },
      },
    },
  };
  const marks: Mark[] = [
    title(MARGIN, 34, name, inner),
    ...told.marks,
    image,
  ];
  const description = `${name}. ${how}. ${pictures.length} ${what} of ${pictures[0].width} by ` +
    `${pictures[0].height} pixels in a grid.`;
  return figure(inner + 2 * MARGIN, top + height + MARGIN, description, marks);
}
