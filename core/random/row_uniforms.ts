import type { RowUniforms, Samples } from "../data/samples.ts";
import type { Random } from "./random.ts";

/** Uniform numbers of each row, the same whatever other rows are asked for. */
export function rowUniforms(random: Random): RowUniforms {
  return (row, out) => random.split(row).fillUniform(out);
}

/** Samples with their rounded values spread by chance over what is rounded to them; others as they are. */
export function drawn(samples: Samples, random: Random): Samples {
  return samples.spread?.(rowUniforms(random.split("cells"))) ?? samples;
}
