import { renderSvg } from "../../core/figures/render.ts";
import type { InformationDirection } from "../../core/mod.ts";
import { informationFigure } from "../../core/mutual_information/figure.ts";
import type { RunFolder } from "../../core/run/folder.ts";

/**
 * Draws the network's errors without and with the other side, of each direction.
 *
 * @returns The names of the files.
 */
export async function drawCurves(
  folder: RunFolder,
  name: string,
  directions: readonly InformationDirection[],
): Promise<string[]> {
  const files: string[] = [];
  for (const { curves, likelihoodOf } of directions) {
    const [of, given] = likelihoodOf === "x" ? ["x", "y"] as const : ["y", "x"] as const;
    const title = `${name}: error of ${of} without and with ${given}`;
    const file = directions.length === 1 ? "mi.svg" : `mi-${likelihoodOf}.svg`;
    await folder.write(file, await renderSvg(informationFigure(title, given, curves)));
    files.push(file);
  }
  return files;
}
