/**
 * What has to hold of any mutual information, asked of the estimate: it is no less for a column more, and as a density
 * ratio it has the mean 1 over rows whose Y is another row's.
 *
 * @module
 */
import { type Estimate, meanAndStderr } from "../diffusion/likelihood.ts";
import type { Random } from "../random/random.ts";
import { describeColumn } from "./columns.ts";
import type { CopulaColumns, CopulaFold } from "./copula_fits.ts";
import type { InformedLabel } from "./label_entropy.ts";
import { normalQuantile } from "../random/normal_quantile.ts";

/** How often the rows of Y are shuffled. */
const SHUFFLES = 10;

/** Shuffled rows that a mean of density ratios has to stand on. */
const LEAST_PAIRS = 100;

/** What a density ratio's integral may be off, in nats. */
const MOST_OFF = 0.02;

/** Columns of a side that are left out one by one. */
const MOST_COLUMNS = 16;

/** Standard errors that a difference may have. */
const MOST_ERRORS = 2;

/** What the mixture's density ratio integrates to. */
export interface Normalisation {
  /** log E[p(x, y)/(p(x)·p(y))] in nats over held-out rows whose Y is another row's; 0 for a density. */
  readonly nats: number;
  /** Its standard error: of the rows and of how they are shuffled. */
  readonly stderr: number;
  /** The shuffled rows that the mean stands on, (Σ r)²/Σ r². Of few the mean is not known, nor is its error. */
  readonly pairs: number;
}

/** What one column tells besides the others of its side. */
export interface ColumnPart {
  /** The side that it is of. */
  readonly side: "x" | "y";
  /** From 0. */
  readonly column: number;
  /** I(X; Y) less that without the column, in nats. */
  readonly nats: number;
  /** Of the difference, row by row. */
  readonly stderr: number;
}

/** What has to hold of an information, as far as it was measured. */
export interface InformationChecks {
  /** By the networks of both directions, that of x less that of y on the same rows; 0 for an information. */
  readonly symmetry?: Estimate;
  /** By the mixture; not where columns are given. */
  readonly normalisation?: Normalisation;
  /** By the mixture, of the columns of a side that has from 2 to 16. */
  readonly columns: readonly ColumnPart[];
  /** What does not hold, a sentence each. */
  readonly warnings: readonly string[];
}

/** What is asked of the mixture. */
export type MixtureChecks = Pick<InformationChecks, "normalisation" | "columns">;

/** Asks the fits of a mixture, one by one. */
export class MixtureAnswers {
  readonly #ratios: { sum: number; squares: number; readonly ofX: Float64Array; readonly ofY: Float64Array };
  readonly #parts: readonly { side: "x" | "y"; place: number; fitted: number; readonly left: Float64Array }[];
  #folds = 0;

  /** @param rows The number of them. */
  constructor(readonly columns: CopulaColumns, readonly rows: number, readonly random: Random) {
    const zeros = () => new Float64Array(rows);
    this.#ratios = { sum: 0, squares: 0, ofX: zeros(), ofY: zeros() };
    const sides = (["x", "y"] as const).filter((side) => columns[side] > 1 && columns[side] <= MOST_COLUMNS);
    this.#parts = sides.flatMap((side) =>
      Array.from({ length: columns[side] }, (_, place) => ({ side, place, fitted: 0, left: zeros() }))
    );
  }

  /** Asks one of the fits, each of which left out other rows. */
  ask(fold: CopulaFold): void {
    const random = this.random.split(this.#folds++);
    if (this.columns.z === 0) this.#shuffle(fold, random);
    if (this.#parts.length === 0) return;
    const { left, kept } = fold, [held, fitted] = [fold.ofColumns(left), fold.ofColumns(kept)];
    for (const part of this.#parts) {
      held[part.side][part.place].forEach((value, i) => part.left[left[i]] = value);
      part.fitted += fitted[part.side][part.place].reduce((sum, value) => sum + value, 0);
    }
  }

  #shuffle({ left, ofPairs }: CopulaFold, random: Random): void {
    const ratios = this.#ratios, n = left.length;
    for (let time = 0; time < SHUFFLES; time++) {
      // Each row has the Y of the next one in a ring, so that none has its own.
      const order = random.split(time).permutation(n);
      const x = order.map((place) => left[place]), y = x.map((_, i) => x[(i + 1) % n]);
      ofPairs(x, y).forEach((log, i) => {
        const ratio = Math.exp(log);
        ratios.sum += ratio;
        ratios.squares += ratio ** 2;
        ratios.ofX[x[i]] += ratio / SHUFFLES;
        ratios.ofY[y[i]] += ratio / SHUFFLES;
      });
    }
  }

  /** The answers of all fits. @param of The columns of each side in the data. */
  answers(of: { readonly x: readonly number[]; readonly y: readonly number[] }): MixtureChecks {
    const { sum, squares, ofX, ofY } = this.#ratios;
    // Every ratio is in the mean by its X and by its Y, as a U-statistic is: the errors of both add up.
    const { stderr } = meanAndStderr(ofX.map((value, row) => value + ofY[row])), mean = sum / SHUFFLES / this.rows;
    return {
      ...(this.columns.z === 0
        ? { normalisation: { nats: Math.log(mean), stderr: stderr / mean, pairs: sum ** 2 / squares } }
        : {}),
      columns: this.#parts.map(({ side, place, left, fitted }) => {
        const held = meanAndStderr(left), known = fitted / this.rows / (this.#folds - 1);
        return {
          ...{ side, column: of[side][place], nats: (held.mean + known) / 2 },
          stderr: Math.hypot(held.stderr, (known - held.mean) / 4),
        };
      }),
    };
  }
}

/** Whether a normalisation stands on enough rows to be told. */
export function isKnown({ pairs }: Normalisation): boolean {
  return pairs >= LEAST_PAIRS;
}

/** What does not hold, a sentence each. @param names Of the columns. */
export function warningsOf(
  { symmetry, normalisation, columns }: Omit<InformationChecks, "warnings">,
  labels: readonly InformedLabel[],
  names: readonly string[],
): string[] {
  const shown = (nats: number, stderr: number) => `${nats.toFixed(4)} ± ${stderr.toFixed(4)} nats`;
  const warnings: string[] = [];
  if (symmetry && Math.abs(symmetry.mean) > MOST_ERRORS * symmetry.stderr) {
    warnings.push(
      `the network of x and that of y differ by ${
        shown(symmetry.mean, symmetry.stderr)
      }, which one information has not`,
    );
  }
  if (normalisation && isKnown(normalisation)) {
    const { nats, stderr } = normalisation;
    if (Math.abs(nats) > Math.max(MOST_OFF, MOST_ERRORS * stderr)) {
      warnings.push(
        `the mixture's density ratio integrates to exp(${nats.toFixed(4)} ± ${
          stderr.toFixed(4)
        }) instead of 1, so that the information may be off by about as many nats`,
      );
    }
  }
  // Of several columns one is off by chance more often.
  const chance = -normalQuantile(TAIL / Math.max(1, columns.length));
  for (const { side, column, nats, stderr } of columns) {
    if (nats >= -chance * stderr) continue;
    warnings.push(
      `without column ${describeColumn(column, names)} of ${side} the information is larger by ${
        shown(-nats, stderr)
      }, which none can be`,
    );
  }
  for (const { column, conditional: { mean, stderr } } of labels) {
    if (mean >= -MOST_ERRORS * stderr) continue;
    warnings.push(
      `the information exceeds the entropy of column ${describeColumn(column, names)} by ${
        shown(-mean, stderr)
      }, which none can`,
    );
  }
  return warnings;
}

/** The probability beyond two standard errors on one side. */
const TAIL = 0.02275;
