import { conditionPlaces, type ConditionVariable, encodeCondition, levelName } from "../data/condition.ts";
import { conditionOf, type Samples, selectRows, toFloat32 } from "../data/samples.ts";
import type { DensityPanel } from "../figures/records.ts";
import type { Condition } from "../data/condition.ts";
import type { DensityPanels } from "./density_panels.ts";

/** Panels at most, and points in each. */
const MOST = 8, POINTS = 200;

/**
 * The density given the first variable of a condition: for each class, the most frequent ones of many, or for a number one
 * standard deviation below its mean, at it and above it.
 *
 * @param samples Data with what is known of it, of which each panel has what is like it.
 */
export async function classPanels(
  panels: DensityPanels,
  condition: Condition,
  samples: Samples,
  epoch: number,
): Promise<DensityPanel[]> {
  const [own] = condition, drawn: DensityPanel[] = [];
  for (const value of valuesOf(own)) {
    const vector = encodeCondition(condition, condition.map((_, k) => k === 0 ? value : NaN));
    const shown = own.kind === "class" ? levelName(own, own.levels.indexOf(value)) : Number(value.toPrecision(3));
    drawn.push({
      ...{ epoch, label: `${own.name} = ${shown}`, logDensity: await panels.given(vector) },
      points: alike(samples, own, conditionPlaces(condition)[0], vector),
    });
  }
  return drawn;
}

function valuesOf(variable: ConditionVariable): number[] {
  if (variable.kind === "number") return [-1, 0, 1].map((steps) => variable.mean + steps * variable.scale);
  const { levels, counts } = variable;
  return [...levels.keys()].sort((a, b) => counts[b] - counts[a] || a - b).slice(0, MOST).sort((a, b) => a - b)
    .map((level) => levels[level]);
}

/** Points of the same class, or with a number less than half a standard deviation away. */
function alike(samples: Samples, variable: ConditionVariable, place: number, vector: Float32Array): Float32Array {
  const known = conditionOf(samples, 0, samples.count)!, width = vector.length, rows: number[] = [];
  for (let row = 0; row < samples.count && rows.length < POINTS; row++) {
    const at = row * width + place, size = variable.kind === "class" ? variable.levels.length : 1;
    const isAlike = known[at] === 1 &&
      vector.subarray(place + 1, place + 1 + size).every((value, k) =>
        variable.kind === "class" ? known[at + 1 + k] === value : Math.abs(known[at + 1 + k] - value) < 0.5
      );
    if (isAlike) rows.push(row);
  }
  return toFloat32(selectRows(samples, Uint32Array.from(rows)));
}
