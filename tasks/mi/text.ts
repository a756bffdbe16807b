import type {
  Estimate,
  InformationDirection,
  LabelInformation,
  MixtureInformation,
  MutualInformation,
} from "../../core/mod.ts";
import { isKnown } from "../../core/mutual_information/checks.ts";
import { describeColumn } from "../../core/mutual_information/columns.ts";

/** Characters before the numbers. */
const HEAD = 25;

/** Both forms differ where their difference is more than so many of its standard errors. */
export const PLAINLY = 2;

/** What the terminal shows of an information, a line each. @param names Of the columns. */
export function informationLines(
  information: MutualInformation,
  names: readonly string[],
  { shuffles, perRow }: { readonly shuffles: number; readonly perRow: string | undefined },
): string[] {
  const { nats, stderr, mixture, table, network, directions, shuffled, gaussianNats, labels, checks } = information;
  const lines = [
    line("Mutual information", `${estimateOf(nats, stderr)} (${(nats / Math.LN2).toFixed(4)} bits)`),
  ];
  if (mixture) lines.push(line("By the mixture", `${estimateOf(mixture.nats, mixture.stderr)}, ${kindOf(mixture)}`));
  if (table) {
    lines.push(line(
      "By their table",
      `${estimateOf(table.nats, table.stderr)}, of ${table.levels.join(" by ")} values, ${
        percent(table.shrinkage)
      } drawn to independent ones`,
    ));
  }
  if (network && directions.length > 1) lines.push(line("By the networks", estimateOf(network.mean, network.stderr)));
  for (const direction of directions) lines.push(...directionLines(direction));
  if (checks.symmetry) {
    const { mean, stderr } = checks.symmetry;
    lines.push(line("  from x less from y", `${estimateOf(mean, stderr)}, 0 of an information`));
  }
  if (shuffled) {
    const sign = shuffled.pValue === 1 / (1 + shuffles) ? "≤" : "=";
    lines.push(line(
      "Of shuffled rows",
      `${shuffled.nats.toFixed(4)} nats with a scatter of ${shuffled.scatter.toFixed(4)}; p ${sign} ${
        Number(shuffled.pValue.toPrecision(2))
      }`,
    ));
  }
  lines.push(line("Of their Gaussian part", `${gaussianNats.toFixed(4)} nats`));
  for (const label of labels) {
    lines.push(...labelLines(label, describeColumn(label.column, names), label.side === "x" ? "Y" : "X"));
  }
  lines.push(...checkLines(information, names));
  if (perRow !== undefined) {
    lines.push(
      line(
        "Of each row",
        `${(mixture ?? table)!.heldOut.toFixed(4)} nats on average, by fits without it, in ${perRow}`,
      ),
    );
  }
  return [...lines, ...checks.warnings.map((warning) => `Warning: ${warning}`)];
}

/** What a network has of an information, in both of its forms. */
function directionLines({ likelihoodOf, difference, orthogonal, gap }: InformationDirection): string[] {
  const given = likelihoodOf === "x" ? "y" : "x";
  return [
    line(`By a network of ${likelihoodOf}`, estimateOf(difference.mean, difference.stderr)),
    line(
      "  the orthogonal form",
      `${estimateOf(orthogonal.mean, orthogonal.stderr)}, ½ ∫ E‖ε̂(z) − ε̂(z | ${given})‖² dα`,
    ),
    ...formsApart(gap),
  ];
}

/** A sentence where both forms of an information differ plainly. */
export function formsApart(gap: Estimate): string[] {
  if (Math.abs(gap.mean) <= PLAINLY * gap.stderr) return [];
  return [
    `  They differ by ${
      estimateOf(gap.mean, gap.stderr)
    }, which is the model's own error: of the best denoiser they are equal.`,
  ];
}

/** A warning where a model has plainly more information of a label than there is. */
export function beyondEntropy({ conditional: { mean, stderr } }: LabelInformation, name: string): string[] {
  if (mean >= -PLAINLY * stderr) return [];
  return [
    `Warning: the information is ${
      estimateOf(-mean, stderr)
    } more than the entropy of ${name}, which no information is: the model ` +
    "describes p(x) worse than p(x | c), so that what follows from it for classifiers is not known. Train with a larger " +
    "--drop-condition; classify tells what the samples say at least.",
  ];
}

/** What an information says of a label. @param name Of the label. @param other What tells of it. */
export function labelLines(label: LabelInformation, name: string, other: string): string[] {
  const { entropy, part, conditional, leastError, mostError, guessError } = label;
  return [
    line(
      `Entropy of ${name}`,
      `${entropy.toFixed(4)} nats, of which ${other} tells ${percent(part)} and leaves ${
        estimateOf(conditional.mean, conditional.stderr)
      }`,
    ),
    line(
      "  error of classifiers",
      `${
        conditional.mean > 0
          ? `at least ${percent(leastError)}, of the best at most ${percent(mostError)}`
          : "not bounded, as what is left is none but for its error"
      }; without ${other} ${percent(guessError)}`,
    ),
  ];
}

/** The same of a model: where it has plainly more information than there is, nothing follows, and that is said instead. */
export function modelLabelLines(label: LabelInformation, name: string): string[] {
  const warnings = beyondEntropy(label, name);
  if (warnings.length === 0) return labelLines(label, name, "X");
  return [line(`Entropy of ${name}`, `${label.entropy.toFixed(4)} nats`), ...warnings];
}

function checkLines(
  { mixture, checks: { normalisation, columns } }: MutualInformation,
  names: readonly string[],
): string[] {
  const lines: string[] = [];
  if (normalisation) {
    lines.push(line(
      "Log normalisation",
      isKnown(normalisation)
        ? `${estimateOf(normalisation.nats, normalisation.stderr)}, 0 of a density ratio`
        : "not known, as hardly any shuffled row looks like one that is not",
    ));
  }
  if (columns.length > 0) {
    lines.push(mixture?.maps ? "Lost without a column, before the maps" : "Lost without a column");
  }
  for (const { side, column, nats, stderr } of columns) {
    lines.push(line(`  ${describeColumn(column, names)} of ${side}`, estimateOf(nats, stderr)));
  }
  return lines;
}

function line(head: string, rest: string): string {
  return `${head.padEnd(HEAD - 1)} ${rest}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function estimateOf(nats: number, stderr: number): string {
  return `${nats.toFixed(4)} ± ${stderr.toFixed(4)} nats`;
}

function kindOf({ dof, components, classes, shared, maps }: MixtureInformation): string {
  const kind = (count: number) => {
    const name = `${count === 1 ? "one" : count} ${dof === Infinity ? "Gaussian" : "Student"}${count === 1 ? "" : "s"}`;
    return dof === Infinity ? name : `${name} of ${dof} degrees of freedom`;
  };
  if (maps !== undefined) {
    return `${kind(components)} of ${
      maps === 1 ? "the number" : `${maps} numbers`
    } that learned maps take each side to`;
  }
  if (classes === undefined) return kind(components);
  if (shared) return `mixtures of ${kind(components)} that ${classes} classes share`;
  if (components === classes) return `${kind(1)} for each of ${classes} classes`;
  return `mixtures of ${kind(components)} in all, one for each of ${classes} classes`;
}
