/** A case's figures by their names. */
export type Figures = Readonly<Record<string, number | string>>;

/** Figures as text, one a line. */
export function lines(result: Figures): string {
  const { case: name, ...rest } = result;
  const shown = Object.entries(rest).map(([key, value]) => {
    const text = typeof value === "number" ? String(Number(value.toPrecision(4))) : value;
    return `  ${key.replaceAll("_", " ").padEnd(26)} ${text}`;
  });
  return [name, ...shown].join("\n");
}

/** The round whose steps took the least time: what else a machine does only makes others slower. */
export function fastest<T extends { readonly ms_per_step: number }>(rounds: readonly T[]): T {
  return rounds.reduce((best, round) => round.ms_per_step < best.ms_per_step ? round : best);
}
