import { floatSamples, type Samples, toFloat32 } from "../data/samples.ts";
import { applyAxisMap, type AxisMap } from "../data/standardisation.ts";
import { type LevelCoding, ownValue, tableCells, type TableCoding } from "../rows/table_coding.ts";

/** How cells of rows are the coordinates of a mixture, the numbers first and then the levels, and back. */
export interface RowForm {
  /** Cells of a row. */
  readonly columns: number;
  /** The column of each number. */
  readonly numbers: readonly { readonly column: number }[];
  /** Columns of few levels. */
  readonly levels: readonly LevelCoding[];
  /** Cells of coordinates `[n, d]`, in their own units, `[n, columns]`. */
  cellsOf(x: Float32Array): Float64Array;
  /** A number in its own units. @param place Its coordinate, @param y its value there. */
  ownValue(place: number, y: number): number;
}

/** Rows of a table. */
export function tableForm(coding: TableCoding): RowForm {
  const { schema, numbers, levels } = coding;
  return {
    ...{ columns: schema.columns.length, numbers, levels },
    cellsOf: (x) => tableCells(coding, x),
    ownValue: (place, y) => ownValue(coding, place, y),
  };
}

/** Points: a coordinate is a cell. @param axes How these were standardised, if they were. */
export function pointForm(d: number, axes: AxisMap | undefined): RowForm {
  const valueOf = (place: number, y: number) => axes ? y * axes.scale[place] + axes.mean[place] : y;
  return {
    columns: d,
    numbers: Array.from({ length: d }, (_, column) => ({ column })),
    levels: [],
    cellsOf: (x) => Float64Array.from(x, (y, i) => valueOf(i % d, y)),
    ownValue: valueOf,
  };
}

/** Points of which some values are unknown as a model sees them. @param values `[n, d]` in their own units, NaN where unknown. */
export function pointsWithGaps(values: Float64Array, d: number, axes: AxisMap | undefined): Samples {
  const flags = Float32Array.from(values, (value) => Number(Number.isNaN(value)));
  const scaled = axes ? applyAxisMap(values, axes) : Float32Array.from(values);
  return { ...floatSamples(scaled.map((x, i) => flags[i] === 1 ? 0 : x), d), gaps: floatSamples(flags, d) };
}

/** Cells of samples, `[n, columns]` in their own units, NaN where they are unknown. */
export function cellsOfSamples(form: RowForm, samples: Samples): Float64Array {
  const { dimension: d, count, gaps } = samples, cells = form.cellsOf(toFloat32(samples));
  if (!gaps) return cells;
  const flags = toFloat32(gaps);
  for (let row = 0; row < count; row++) {
    form.numbers.forEach(({ column }, place) => {
      if (flags[row * d + place] === 1) cells[row * form.columns + column] = NaN;
    });
    let place = form.numbers.length;
    for (const { column, block: { size } } of form.levels) {
      if (flags[row * d + place] === 1) cells[row * form.columns + column] = NaN;
      place += size;
    }
  }
  return cells;
}
