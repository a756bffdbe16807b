import { excess } from "../../core/quality/findings.ts";
import type { Compared, ComparedPoints, Quality } from "../../core/quality/compare.ts";

/** Columns that are written: images have thousands, of which these are the farthest off. */
const MOST_COLUMNS = 200;

/** What the file of a comparison and `--json` say of it: the same, with names as JSON has them here. */
export function qualityRecord({ columns, ...quality }: Quality): Record<string, unknown> {
  const farness = columns.map(({ wasserstein, totalVariation }) => {
    const one = wasserstein ?? totalVariation;
    return one ? excess(one) : 0;
  });
  const places = [...columns.keys()].sort((a, b) => farness[b] - farness[a]).slice(0, MOST_COLUMNS).sort((a, b) =>
    a - b
  );
  return snakeCased({ ...quality, allColumns: columns.length, columns: places.map((k) => columns[k]) }) as Record<
    string,
    unknown
  >;
}

function snakeCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCased);
  // JSON has no such numbers.
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`), snakeCased(each)]),
  );
}

/** Lines of a table: what is measured, of the samples, of training rows, and what belongs to it. */
export function qualityLines(quality: Quality, findings: readonly string[]): string[] {
  const { columns, meanWasserstein, associations, nearest, features } = quality, { samples, real } = nearest;
  const farthest = [...columns].filter(({ wasserstein }) => wasserstein)
    .sort((a, b) => excess(b.wasserstein!) - excess(a.wasserstein!)).at(0);
  const classes = columns.filter(({ totalVariation }) => totalVariation)
    .sort((a, b) => excess(b.totalVariation!) - excess(a.totalVariation!)).at(0);
  const rows: (readonly string[])[] = [
    ["", "samples", "training rows", ""],
    ...pointRows(quality, ""),
    ...(meanWasserstein
      ? [comparedRow(
        columns.length === 1 ? "Wasserstein, in deviations" : "Columns' Wasserstein, mean",
        meanWasserstein,
        columns.length === 1 ? "" : `farthest ${farthest!.name}, ${short(farthest!.wasserstein!.value)} deviations`,
      )]
      : []),
    ...(classes
      ? [comparedRow("Classes' total variation", classes.totalVariation!, `of ${classes.name}, the farthest`)]
      : []),
    ...associations.map(({ kind, mean, largest, largestPair: [a, b], pairs }) =>
      comparedRow(ASSOCIATION[kind], mean, pairs === 1 ? "" : `largest ${short(largest)}, of ${a} and ${b}`)
    ),
    [
      "Nearest training row, median",
      short(samples.median),
      short(real.median),
      `held-out rows ${short(samples.heldOutMedian)}; ratio ${samples.ratio.toFixed(2)}`,
    ],
    [
      "  closer than held-out rows",
      percent(samples.closer.value, samples.closer.stderr),
      percent(real.closer.value, real.closer.stderr),
      `chance 50 %, p ${probability(samples.pValue)}`,
    ],
    [
      "  alone so, before the next",
      percent(samples.lonelier.value, samples.lonelier.stderr),
      percent(real.lonelier.value, real.lonelier.stderr),
      `chance 50 %, p ${probability(samples.lonelierPValue)}`,
    ],
    [
      "  copies of training rows",
      percent(samples.copies),
      percent(real.copies),
      `held-out rows ${percent(samples.heldOutCopies)}`,
    ],
    ...(features
      ? [
        comparedRow(
          "Fréchet distance of features",
          features.frechet,
          `${features.width} features of ${quality.rows} images: biased upwards, as of training rows`,
        ),
        ...pointRows(features, ", features"),
      ]
      : []),
  ];
  const widths = [0, 1, 2].map((k) => Math.max(...rows.map((row) => [...row[k]].length)));
  return [
    ...rows.map((row) => row.map((cell, k) => cell.padEnd(k < 3 ? widths[k] : 0)).join("  ").trimEnd()),
    ...(findings.length === 0
      ? ["Nothing tells the samples from data."]
      : findings.map((finding) => `${finding[0].toUpperCase()}${finding.slice(1)}.`)),
  ];
}

const ASSOCIATION = {
  pearson: "Correlations, mean difference",
  spearman: "Rank correlations",
  cramer: "Cramér's V",
  ratio: "Correlation ratios",
} as const;

function pointRows({ classifiers, slicedWasserstein }: ComparedPoints, of: string): (readonly string[])[] {
  return [
    ...classifiers.flatMap(({ samples, real }) => [
      [
        `Told apart by ${samples.classifier}${of}`,
        percent(samples.accuracy.value, samples.accuracy.stderr),
        percent(real.accuracy.value, real.accuracy.stderr),
        `chance ${percent(samples.chance.value, samples.chance.stderr)}, p ${probability(samples.pValue)}`,
      ],
      [
        "  AUC",
        `${samples.auc.value.toFixed(3)} ± ${samples.auc.stderr.toFixed(3)}`,
        `${real.auc.value.toFixed(3)} ± ${real.auc.stderr.toFixed(3)}`,
        "chance 0.5",
      ],
    ]),
    comparedRow(`Sliced Wasserstein${of}`, slicedWasserstein, "in deviations"),
  ];
}

function comparedRow(what: string, { value, stderr, real, realScatter }: Compared, more: string): readonly string[] {
  const withError = (x: number, error: number) => `${short(x)}${Number.isFinite(error) ? ` ± ${short(error)}` : ""}`;
  return [what, withError(value, stderr), withError(real, realScatter), more];
}

function short(x: number): string {
  if (!Number.isFinite(x)) return "–";
  return Math.abs(x) >= 100 ? x.toFixed(1) : Math.abs(x) >= 0.1 ? x.toFixed(3) : x.toFixed(4);
}

function percent(share: number, stderr?: number): string {
  return stderr === undefined
    ? `${(100 * share).toFixed(1)} %`
    : `${(100 * share).toFixed(1)} ± ${(100 * stderr).toFixed(1)} %`;
}

function probability(p: number): string {
  return p < 1e-4 ? "< 0.0001" : p.toFixed(p < 0.01 ? 4 : 2);
}
