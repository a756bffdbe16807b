import type { Random } from "../random/random.ts";
import { binRows, boostedScores } from "./boosted_trees.ts";
import { neighbourScores } from "./nearest_rows.ts";
import { chanceStderr, type Estimate, normalTail, shareBelow } from "./significance.ts";
import type { EncodedRows } from "./table.ts";

/** The classifiers that two sets are told apart by: of different kinds, since what one does not see another may. */
export const CLASSIFIERS = ["trees", "neighbours"] as const satisfies readonly ClassifierName[];

/** Boosted trees, or nearest neighbours. */
export type ClassifierName = "trees" | "neighbours";

/** How well two sets of rows are told apart. */
export interface ClassifierTest {
  /** What tells them. */
  readonly classifier: ClassifierName;
  /** The share of right answers, and its standard error. */
  readonly accuracy: Estimate;
  /** The same where both sets are of one density: ½. */
  readonly chance: Estimate;
  /** How likely a row of the second set has the higher score than one of the first. */
  readonly auc: Estimate;
  /** How likely chance alone gives so many right answers. */
  readonly pValue: number;
  /** Answers that were given. */
  readonly answers: number;
}

/** Parts of the rows, of which all but the first are asked about. */
const PARTS = 6;

/** Rows of each set that a test takes at least. */
export const FEWEST_ROWS = 24;

/**
 * Whether a classifier tells two sets of rows apart (D. Lopez-Paz and M. Oquab, arXiv 1610.06545): on rows that it has
 * not learned from, the share of right answers is ½ where both sets are of one density.
 *
 * The rows are taken in six parts, and the answers about each are given by what was learned on those before it. In a
 * cross-validation the parts learn from each other in turn, and their answers scatter more than coins do; in order they
 * are as independent as coins where both sets are alike, whatever the classifier, so that the chance level holds.
 *
 * @param first Rows of one set, and `second` of another, as many, at least 24 each.
 * @param random Draws the parts, and what the trees look at.
 * @param pause Waited for before each part, so that others have their turn; it may throw to end the test.
 * @throws {RangeError} For fewer, or sets of different sizes or widths.
 *
 * @example
 * ```ts
 * import { ok } from "assert";
 * import { Random } from "../random/random.ts";
 * import { classifierTest } from "./told_apart.ts";
 *
 * const random = Random.fromSeed(0);
 * const draw = (shift: number) => {
 *   const values = random.fillNormal(new Float32Array(400)).map((x) => x + shift);
 *   return { values, width: 2 };
 * };
 * ok((await classifierTest("trees", draw(0), draw(0), random.split("a"))).pValue > 0.01);
 * ok((await classifierTest("trees", draw(0), draw(1), random.split("b"))).accuracy.value > 0.65);
 * ```
 */
export async function classifierTest(
  classifier: ClassifierName,
  first: EncodedRows,
  second: EncodedRows,
  random: Random,
  pause: () => Promise<void> | void = () => {},
): Promise<ClassifierTest> {
  const { width } = first, n = first.values.length / width;
  if (second.width !== width || second.values.length !== first.values.length || !(n >= FEWEST_ROWS)) {
    throw new RangeError(
      `Got ${n} rows of ${width} values and ${second.values.length / second.width} of ${second.width}, expected as ` +
        `many of both, at least ${FEWEST_ROWS}.`,
    );
  }
  const values = new Float32Array(2 * n * width);
  values.set(first.values);
  values.set(second.values, n * width);
  const isSecond = new Uint8Array(2 * n).fill(1, n);
  const scoresOf = scorer(classifier, values, width, isSecond, random.split("trees"));
  const orders = [random.split("first").permutation(n), random.split("second").permutation(n).map((i) => n + i)];
  const rowsOf = (from: number, to: number) => {
    const [begin, end] = [Math.round(from * n / PARTS), Math.round(to * n / PARTS)];
    return orders.map((order) => order.subarray(begin, end));
  };
  let right = 0, answers = 0, area = 0, areaVariance = 0;
  for (let part = 1; part < PARTS; part++) {
    await pause();
    const asked = rowsOf(part, part + 1), [one, other] = asked.map((each) => each.length);
    const scores = scoresOf(joined(rowsOf(0, part)), joined(asked));
    const [low, high] = [scores.subarray(0, one), scores.subarray(one)];
    // One that is not decided is half right.
    right += low.reduce((sum, x) => sum + (x < 0 ? 1 : x === 0 ? 0.5 : 0), 0);
    right += high.reduce((sum, x) => sum + (x > 0 ? 1 : x === 0 ? 0.5 : 0), 0);
    const auc = shareBelow(low, high);
    answers += one + other;
    area += (one + other) * auc.value;
    areaVariance += (one + other) ** 2 * (auc.stderr ** 2 || chanceStderr(one, other) ** 2);
  }
  const accuracy = right / answers, chance = 0.5 / Math.sqrt(answers);
  return {
    classifier,
    accuracy: { value: accuracy, stderr: Math.sqrt(accuracy * (1 - accuracy) / answers) },
    chance: { value: 0.5, stderr: chance },
    auc: { value: area / answers, stderr: Math.sqrt(areaVariance) / answers },
    pValue: normalTail((accuracy - 0.5) / chance),
    answers,
  };
}

function scorer(
  classifier: ClassifierName,
  values: Float32Array,
  width: number,
  isSecond: Uint8Array,
  random: Random,
): (rows: Uint32Array, asked: Uint32Array) => Float64Array {
  if (classifier === "neighbours") {
    return (rows, asked) => neighbourScores(values, width, isSecond, rows, asked, neighboursOf(rows.length));
  }
  const binned = binRows(values, width);
  let calls = 0;
  return (rows, asked) => boostedScores(binned, isSecond, rows, asked, random.split(calls++));
}

/** An odd number, so that there is a majority. */
function neighboursOf(rows: number): number {
  return 2 * Math.round(Math.sqrt(rows) / 4) + 1;
}

function joined(parts: readonly Uint32Array[]): Uint32Array {
  return Uint32Array.from(parts.flatMap((part) => [...part]));
}
