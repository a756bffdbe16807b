import { fileURLToPath } from "node:url";

const FAMILY = "DejaVu Sans";

/**
 * Draws an SVG as a PNG in its light colours. resvg and its font load on the first call.
 *
 * The text is set in DejaVu Sans, which comes with the program: no font of the system is read, so that the picture is
 * the same on every machine, and complete on one without fonts.
 *
 * @param svg A complete SVG document, as `renderSvg` returns it.
 * @param width The width of the picture in pixels, a whole number from 1 to 8192; the height follows.
 * @returns The bytes of an RGBA PNG file.
 * @throws {RangeError} If the width is out of range.
 * @throws {Error} If the text is not an SVG document.
 */
export async function renderPng(svg: string, width: number): Promise<Uint8Array> {
  if (!Number.isInteger(width) || width < 1 || width > 8192) {
    throw new RangeError(`Got a picture width of ${width} pixels, but expected a whole number from 1 to 8192.`);
  }
  const { Resvg } = await import("@resvg/resvg-js");
  // The import makes Deno fetch the package together with the program's others, before its files are resolved.
  await import("dejavu-fonts-ttf/package.json", { with: { type: "json" } });
  const fontFiles = [
    import.meta.resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf"),
    import.meta.resolve("dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf"),
  ].map((url) => fileURLToPath(url));
  // resvg knows the old word alone, which Vega writes too.
  const picture = new Resvg(svg.replaceAll("image-rendering: pixelated;", ""), {
    fitTo: { mode: "width", value: width },
    font: { loadSystemFonts: false, fontFiles, defaultFontFamily: FAMILY, sansSerifFamily: FAMILY },
  });
  return new Uint8Array(picture.render().asPng());
}
