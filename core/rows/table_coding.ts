import { type AtomBlock, nearestLevel, simplex } from "../reference/atoms.ts";
import type { RowUniforms, Samples } from "../data/samples.ts";
import { chooseTransform } from "./choose_transform.ts";
import type { TableSchema } from "./column_types.ts";
import { mapOf, type NumberTransform } from "./transform.ts";

/** A column that becomes a coordinate: a number, or a date as the number of days. */
export interface NumberCoding {
  /** Its place among the schema's columns. */
  readonly column: number;
  /** How it is mapped before it is standardised. */
  readonly transform: NumberTransform;
  /** Of the transformed values: the coordinate is (transformed − mean) / scale. */
  readonly mean: number;
  /** See `mean`. */
  readonly scale: number;
  /** Values are rounded to `offset + k · step`: a coordinate is one of all that are rounded to its value. */
  readonly step?: number;
  /** See `step`. */
  readonly offset?: number;
}

/** A column of few levels, of which each becomes a point. */
export interface LevelCoding {
  /** Its place among the schema's columns. */
  readonly column: number;
  /** Of a column of numbers its values, ascending, which lie on a line: each at (value − mean) / scale. */
  readonly line?: { readonly values: readonly number[]; readonly mean: number; readonly scale: number };
  /** Of classes, for which there is no line, these lie on a sphere. */
  readonly block: AtomBlock;
}

/** How rows of a table become samples: the coordinates of its numbers, and then those of its levels. */
export interface TableCoding {
  /** What the columns are. */
  readonly schema: TableSchema;
  /** The columns that become a coordinate each. */
  readonly numbers: readonly NumberCoding[];
  /** Those of few levels. */
  readonly levels: readonly LevelCoding[];
}

/** Scales from the mean beyond which a coordinate is there: squares of them have to be float32 numbers. */
export const FARTHEST = 1e12;

/** Values that a rounded number has at most to be of few levels, rows that each of them needs, and the steps between them. */
const FEW_VALUES = 12, ROWS_A_VALUE = 10;

/** Steps beside the spread of a column from which on these values are far apart. */
const COARSE = 0.15;

/**
 * How a table is coded, by its training rows; but which values there are of few, all rows say, as of classes: a value that only
 * others have would else be unknown in these, and their likelihood without it.
 *
 * @param cells As the schema's columns have them, `[n, columns]`, NaN where unknown.
 * @param rows The training rows.
 */
export function codingOf(schema: TableSchema, cells: Float64Array, rows: Uint32Array): TableCoding {
  const width = schema.columns.length, numbers: NumberCoding[] = [], levels: LevelCoding[] = [];
  schema.columns.forEach((column, k) => {
    if (column.kind === "class") {
      levels.push(classCoding(k, column.levels.length));
      return;
    }
    const known = Float64Array.from(rows, (row) => cells[row * width + k]).filter((value) => !Number.isNaN(value));
    const few = column.step === undefined ? undefined : fewValues(known, columnOf(cells, k, width));
    if (few) {
      levels.push(lineCoding(k, { values: [...few], ...spreadOf(known) }));
      return;
    }
    const transform = column.kind === "number" ? chooseTransform(column, known) : { kind: "none" } as const;
    const map = mapOf(transform);
    numbers.push({
      ...{ column: k, transform, ...spreadOf(known.map(map.forward)) },
      ...(column.step === undefined ? {} : { step: column.step, offset: column.offset ?? 0 }),
    });
  });
  return { schema, numbers, levels };
}

function classCoding(column: number, levels: number): LevelCoding {
  return { column, block: { size: levels - 1, points: simplex(levels) } };
}

function lineCoding(column: number, line: NonNullable<LevelCoding["line"]>): LevelCoding {
  const points = Float64Array.from(line.values, (value) => (value - line.mean) / line.scale);
  return { column, line, block: { size: 1, points } };
}

/**
 * The values of a rounded column where they are few, far apart and often there; ascending.
 *
 * @param values The training rows', @param all Those of all rows.
 */
function fewValues(values: Float64Array, all: Float64Array): Float64Array | undefined {
  const distinct = new Set<number>();
  for (const value of all) {
    if (distinct.add(value).size > FEW_VALUES) return undefined;
  }
  if (distinct.size < 2 || values.length < ROWS_A_VALUE * distinct.size) return undefined;
  const sorted = Float64Array.from(distinct).sort();
  const least = sorted.subarray(1).reduce((gap, value, i) => Math.min(gap, value - sorted[i]), Infinity);
  return least > COARSE * spreadOf(values).scale ? sorted : undefined;
}

/** The known values of a column. */
function columnOf(cells: Float64Array, column: number, width: number): Float64Array {
  return Float64Array.from({ length: cells.length / width }, (_, row) => cells[row * width + column])
    .filter((value) => !Number.isNaN(value));
}

function spreadOf(values: Float64Array): { readonly mean: number; readonly scale: number } {
  const n = values.length, mean = values.reduce((sum, value) => sum + value / n, 0);
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2 / n, 0);
  return { mean: n > 0 ? mean : 0, scale: Math.sqrt(variance) || 1 };
}

/** The points of a coding's levels. */
export function blocksOf({ levels }: TableCoding): AtomBlock[] {
  return levels.map(({ block }) => block);
}

/** The number of coordinates of a row. */
export function widthOfRow({ numbers, levels }: TableCoding): number {
  return numbers.length + levels.reduce((sum, { block }) => sum + block.size, 0);
}

/** The coordinates that cells of some columns are in. @param isIn Of each of the schema's columns. */
export function placesOfColumns({ numbers, levels }: TableCoding, isIn: (column: number) => boolean): number[] {
  const places: number[] = [];
  numbers.forEach(({ column }, place) => isIn(column) && places.push(place));
  let begin = numbers.length;
  for (const { column, block } of levels) {
    if (isIn(column)) { for (let j = 0; j < block.size; j++) places.push(begin + j); }
    begin += block.size;
  }
  return places;
}

/**
 * Rows of a table as samples: −log p of one, and what its `change` adds, is −log of the row's own density, in the units of its
 * numbers, times the probabilities of its levels; of rounded numbers, spread by chance over all that are rounded to them, at
 * most −log of their probability, in expectation (B. Uria, I. Murray and H. Larochelle, 2013; L. Theis, A. van den Oord and
 * M. Bethge, 2016).
 *
 * @param cells `[n, columns]`, NaN where unknown. They are not copied.
 * @throws {TableError} Where a transform is not defined for a number.
 */
export function tableSamples(coding: TableCoding, cells: Float64Array, uniforms?: RowUniforms): Samples {
  const { schema, numbers, levels } = coding, width = schema.columns.length, d = widthOfRow(coding);
  const maps = numbers.map(({ transform }) => mapOf(transform)), count = cells.length / width;
  const drawn = new Float64Array(numbers.length);
  /** A number as it is, or a place within what is rounded to it. */
  const valueOf = (row: number, i: number) => {
    const { column, step } = numbers[i], value = cells[row * width + column];
    return uniforms && step !== undefined ? value + step * (drawn[i] - 0.5) : value;
  };
  const levelMaps = levels.map(({ line }) => line && new Map(line.values.map((value, level) => [value, level])));
  const levelOf = (row: number, b: number) => {
    const cell = cells[row * width + levels[b].column], known = levelMaps[b];
    return Number.isNaN(cell) ? -1 : known ? known.get(cell) ?? -1 : cell;
  };
  const gaps: Samples = {
    count,
    dimension: d,
    copy(begin, end, out, at = 0) {
      for (let row = begin; row < end; row++, at += d) {
        numbers.forEach(({ column }, i) => out[at + i] = Number.isNaN(cells[row * width + column]) ? 1 : 0);
        let place = at + numbers.length;
        levels.forEach(({ block: { size } }, b) => {
          out.fill(levelOf(row, b) < 0 ? 1 : 0, place, place + size);
          place += size;
        });
      }
    },
  };
  return {
    count,
    dimension: d,
    gaps,
    copy(begin, end, out, at = 0) {
      for (let row = begin; row < end; row++, at += d) {
        uniforms?.(row, drawn);
        for (let i = 0; i < numbers.length; i++) {
          const value = valueOf(row, i), { mean, scale } = numbers[i];
          out[at + i] = Number.isNaN(value)
            ? 0
            : Math.max(-FARTHEST, Math.min(FARTHEST, (maps[i].forward(value) - mean) / scale));
        }
        let place = at + numbers.length;
        for (let b = 0; b < levels.length; b++) {
          const { size, points } = levels[b].block, level = levelOf(row, b);
          for (let j = 0; j < size; j++) out[place + j] = level < 0 ? 0 : points[level * size + j];
          place += size;
        }
      }
    },
    change(row) {
      uniforms?.(row, drawn);
      let nats = 0;
      for (let i = 0; i < numbers.length; i++) {
        const value = valueOf(row, i), { scale, step } = numbers[i];
        if (!Number.isNaN(value)) {
          nats += Math.log(scale) - maps[i].logSlope(value) - (step === undefined ? 0 : Math.log(step));
        }
      }
      return nats;
    },
    ...(uniforms || !numbers.some(({ step }) => step !== undefined)
      ? {}
      : { spread: (chance: RowUniforms) => tableSamples(coding, cells, chance) }),
  };
}

/**
 * Samples as cells of a table again, `[n, columns]`: numbers in their own units, rounded as the table's, and of levels the
 * nearest.
 *
 * @param x `[n, d]`.
 */
export function tableCells(coding: TableCoding, x: Float32Array): Float64Array {
  const { schema, numbers, levels } = coding, width = schema.columns.length, d = widthOfRow(coding), n = x.length / d;
  const cells = new Float64Array(n * width).fill(NaN), maps = numbers.map(({ transform }) => mapOf(transform));
  for (let row = 0; row < n; row++) {
    numbers.forEach(({ column, mean, scale }, i) => {
      cells[row * width + column] = asWritten(coding, column, maps[i].inverse(x[row * d + i] * scale + mean));
    });
    let place = row * d + numbers.length;
    for (const { column, line, block } of levels) {
      const level = nearestLevel(block, x, place);
      cells[row * width + column] = line ? line.values[level] : level;
      place += block.size;
    }
  }
  return cells;
}

/**
 * Samples as their table writes them: what was drawn between two steps or digits is told from data by that alone, however
 * good it is.
 *
 * @param x `[n, d]`.
 * @returns The same of the rows that {@linkcode tableCells} makes of them.
 */
export function asTableRows(coding: TableCoding, x: Float32Array): Float32Array {
  const rows = tableSamples(coding, tableCells(coding, x)), out = new Float32Array(x.length);
  rows.copy(0, rows.count, out);
  // A logarithm has none where a number is rounded to 0.
  return out.map((value, i) => Math.abs(value) < FARTHEST ? value : x[i]);
}

/**
 * Rows by their columns, to be compared with others: numbers as their coordinates have them, levels as numbers that stand for
 * them, `[n, values]`, NaN where unknown; the numbers first and then those of few levels.
 *
 * @param gaps 1 for what is unknown; all is known, if left out.
 */
export function valuesOf(coding: TableCoding, x: Float32Array, gaps?: Float32Array): Float32Array {
  const { numbers, levels } = coding, d = widthOfRow(coding), width = numbers.length + levels.length, n = x.length / d;
  const out = new Float32Array(n * width);
  for (let row = 0; row < n; row++) {
    for (let i = 0; i < numbers.length; i++) {
      out[row * width + i] = gaps?.[row * d + i] === 1 ? NaN : x[row * d + i];
    }
    let place = row * d + numbers.length;
    levels.forEach(({ block, line }, b) => {
      const level = nearestLevel(block, x, place);
      out[row * width + numbers.length + b] = gaps?.[place] === 1 ? NaN : line ? line.values[level] : level;
      place += block.size;
    });
  }
  return out;
}

/** The value of a number in its own units. @param place Its coordinate, @param y its value there. */
export function ownValue({ numbers }: TableCoding, place: number, y: number): number {
  const { transform, mean, scale } = numbers[place];
  return mapOf(transform).inverse(y * scale + mean);
}

/** A number as the column has them: rounded to its steps or digits, and not below 0 where none is. */
function asWritten({ schema, numbers }: TableCoding, place: number, value: number): number {
  const column = schema.columns[place], { step, offset = 0 } = numbers.find((each) => each.column === place)!;
  if (column.kind === "class") return value;
  const held = column.min >= 0 ? Math.max(0, value) : value;
  if (step !== undefined) return offset + step * Math.round((held - offset) / step);
  return column.kind === "number" ? Number(held.toFixed(Math.min(100, column.decimals))) : held;
}

/** A coding as a run keeps it. */
export function storedCoding({ schema, numbers, levels }: TableCoding): Record<string, unknown> {
  return { schema, numbers, levels: levels.map(({ column, line }) => ({ column, ...(line ? { line } : {}) })) };
}

/**
 * A coding that a run has kept.
 *
 * @param schema Its schema, which is checked by itself.
 * @returns Nothing where it is none.
 */
export function parseCoding(stored: unknown, schema: TableSchema): TableCoding | undefined {
  const { numbers, levels } = (stored ?? {}) as Partial<Record<string, unknown>>, { columns } = schema;
  if (!Array.isArray(numbers) || !Array.isArray(levels) || numbers.length + levels.length !== columns.length) {
    return undefined;
  }
  const places = [...numbers, ...levels].map((each: Partial<Record<string, unknown>> | null) => each?.column);
  if (new Set(places).size !== columns.length || !places.every((place) => Object.hasOwn(columns, String(place)))) {
    return undefined;
  }
  const isScale = ({ mean, scale }: Partial<Record<string, unknown>>) =>
    Number.isFinite(mean) && Number.isFinite(scale) && Number(scale) > 0;
  const areNumbers = numbers.every((each: Partial<Record<string, unknown>>) =>
    columns[each.column as number].kind !== "class" && isScale(each) && isTransform(each.transform) &&
    (each.step === undefined || Number.isFinite(each.step) && Number(each.step) > 0 && Number.isFinite(each.offset))
  );
  if (!areNumbers) return undefined;
  const coded: LevelCoding[] = [];
  for (const { column, line } of levels as { column: number; line?: Partial<Record<string, unknown>> | null }[]) {
    const own = columns[column];
    if (line === undefined) {
      if (own.kind !== "class") return undefined;
      coded.push(classCoding(column, own.levels.length));
      continue;
    }
    if (!line || own.kind === "class" || !isScale(line) || !isAscending(line.values, 2)) return undefined;
    coded.push(lineCoding(column, line as NonNullable<LevelCoding["line"]>));
  }
  return { schema, numbers: numbers as NumberCoding[], levels: coded };
}

/** Points at most of what is read from a run. */
const MOST_POINTS = 4096;

function isAscending(values: unknown, least: number): boolean {
  return Array.isArray(values) && values.length >= least && values.length <= MOST_POINTS &&
    values.every((value, i) => Number.isFinite(value) && (i === 0 || value > values[i - 1]));
}

function isTransform(value: unknown): value is NumberTransform {
  const transform = (value ?? {}) as Partial<Record<string, unknown>>;
  const areFinite = (...names: string[]) => names.every((name) => Number.isFinite(transform[name]));
  switch (transform.kind) {
    case "none":
    case "log":
      return true;
    case "logit":
      return areFinite("low", "high") && Number(transform.low) < Number(transform.high);
    case "asinh":
      return areFinite("centre", "width") && Number(transform.width) > 0;
    case "normal":
      return isAscending(transform.values, 2) && isAscending(transform.scores, 2) &&
        (transform.values as number[]).length === (transform.scores as number[]).length;
    default:
      return false;
  }
}
