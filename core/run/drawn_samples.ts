import { type Samples, selectRows } from "../data/samples.ts";
import type { Random } from "../random/random.ts";

/** Samples, and which of the data they are, of some. */
export interface DrawnSamples {
  readonly samples: Samples;
  /** Their rows in the data, in order; left out of all. */
  readonly rows?: Uint32Array;
}

/** As many of the samples as are asked for, drawn at random; all, where no fewer are. */
export function drawnSamples(samples: Samples, asked: number | undefined, random: Random): DrawnSamples {
  const { count } = samples;
  if (asked === undefined || asked >= count) return { samples };
  const rows = random.split("drawn samples").permutation(count).slice(0, asked).sort();
  return { samples: selectRows(samples, rows), rows };
}

/** How many samples there are, and of how many, as the terminal shows it. */
export function countLine({ samples, drawn_from }: { readonly samples: number; readonly drawn_from?: number }): string {
  return `${samples} ${samples === 1 ? "sample" : "samples"}` +
    (drawn_from === undefined ? "" : `, drawn from ${drawn_from.toLocaleString("en")},`);
}
