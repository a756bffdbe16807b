import { type Condition, decodeCondition } from "../../core/data/condition.ts";
import { conditionOf, type Samples, toFloat32 } from "../../core/data/samples.ts";
import { type ImageShape, imageShape, pictureOf } from "../../core/figures/pictures.ts";
import { classesOf } from "../../core/mutual_information/class_information.ts";
import type { ModelInformation } from "../../core/mutual_information/condition_information.ts";
import { type MappedPicture, type MapRecord, overChannels } from "../../core/mutual_information/map_figure.ts";
import { describeGiven } from "../../core/run/given.ts";

/** Pictures of each class, and classes, that are shown; of another condition as many pictures as of four classes. */
const OF_EACH = 3, MOST_CLASSES = 10, OTHERS = 12;

/** The places of the samples whose maps are shown: the first of each class; nothing of samples that are no images. */
export function mappedRows(
  samples: Samples,
  condition: Condition,
  shape: readonly number[],
): number[] | undefined {
  if (!imageShape(shape)) return undefined;
  const classes = classesOf(samples, condition), { count } = samples;
  if (!classes) {
    const some = Math.min(OTHERS, count);
    return Array.from({ length: some }, (_, k) => Math.floor(k * count / some));
  }
  const present = [...new Set(classes)].sort((a, b) => a - b), shown = Math.min(MOST_CLASSES, present.length);
  const chosen = Array.from({ length: shown }, (_, k) => present[Math.floor(k * present.length / shown)]);
  return chosen.flatMap((own) => classes.flatMap((other, row) => other === own ? [row] : []).slice(0, OF_EACH));
}

/** The pictures and maps of an information, in rows of the same class. */
export function mapRecord(
  { maps }: ModelInformation,
  samples: Samples,
  condition: Condition,
  { shape, range }: { readonly shape: readonly number[]; readonly range?: readonly [number, number] },
): Pick<MapRecord, "rows" | "mean"> {
  const image = imageShape(shape);
  if (!maps || !image) throw new RangeError("There are no maps of samples that are no images.");
  const scale = range ?? rangeOf([...maps.ofRows.keys()], samples);
  const pictures = [...maps.ofRows].map(([row, values]) => mapped(row, values, samples, condition, image, scale));
  const areClasses = classesOf(samples, condition) !== undefined, rows: MappedPicture[][] = [];
  for (const picture of pictures) {
    const last = rows.at(-1), isOther = areClasses && last?.[0].label !== picture.label;
    if (!last || isOther || last.length === OF_EACH) rows.push([picture]);
    else last.push(picture);
  }
  return { rows, mean: overChannels(maps.mean, image) };
}

/** The smallest and the largest value of some samples, of data whose range is not known. */
function rangeOf(rows: readonly number[], samples: Samples): [number, number] {
  const values = rows.flatMap((row) => [...toFloat32(samples, row, row + 1)]);
  const [low, high] = values.reduce(([low, high], x) => [Math.min(low, x), Math.max(high, x)], [Infinity, -Infinity]);
  return high > low ? [low, high] : [low, low + 1];
}

function mapped(
  row: number,
  values: Float64Array,
  samples: Samples,
  condition: Condition,
  image: ImageShape,
  range: readonly [number, number],
): MappedPicture {
  return {
    picture: pictureOf(toFloat32(samples, row, row + 1), image, range),
    label: describeGiven(condition, decodeCondition(condition, conditionOf(samples, row, row + 1) ?? [])),
    map: overChannels(values, image),
    nats: values.reduce((sum, value) => sum + value, 0),
  };
}
