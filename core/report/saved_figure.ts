import { Buffer } from "node:buffer";
import { type Html, html } from "./html.ts";

/** A figure that is shown on the page. */
export interface SavedFigure {
  /** What it shows, as `mse`. */
  readonly name: string;
  readonly svg: string;
  /** What it shows in words. */
  readonly alt: string;
  /** In pixels. */
  readonly width: number;
  readonly height: number;
}

const MAX_ALT = 400;

/** A figure that is wider, in pixels, has a row of its own; one of this width fits on a phone. */
export const WIDE = 800;
const SMALL = 420;

/** A figure from its SVG document; none if that is not one whose root has a size. */
export function savedFigure(name: string, svg: string): SavedFigure | undefined {
  const open = svg.match(/^\s*(?:<\?xml[^>]*>\s*)?<svg\s[^>]*>/)?.[0];
  const [width, height] = ["width", "height"].map((key) => {
    const [, value] = open?.match(new RegExp(`\\s${key}="(\\d+(?:\\.\\d+)?)"`)) ?? [];
    return Math.round(Number(value));
  });
  if (open === undefined || !(width > 0 && width < 1e5 && height > 0 && height < 1e5)) return undefined;
  const label = open.match(/\saria-label="([^"]*)"/)?.[1] ?? name;
  return { name, svg, alt: unescapeXml(label).slice(0, MAX_ALT), width, height };
}

/**
 * A figure as an image within the page. An image runs no scripts and loads nothing, so that a file of unknown origin is
 * safe; and it follows the page's theme.
 *
 * @param caption What is read below it.
 * @param isRepeated Whether other figures of the page show the same, so that a phone can do without it.
 */
export function figureHtml({ name, svg, alt, width, height }: SavedFigure, caption?: string, isRepeated = false): Html {
  const size = width > WIDE ? "wide" : width > SMALL ? "narrow" : "small";
  const shape = `${size}${height > width ? " tall" : ""}${isRepeated ? " repeated" : ""}`;
  const source = `data:image/svg+xml;base64,${Buffer.from(svg).toString("base64")}`;
  const title = `Figure: ${caption ?? name}`;
  return html`
    <figure class="${shape}">
      <div class="scroll" tabindex="0" role="region" aria-label="${title}">
        <img src="${source}" alt="${alt}" width="${width}" height="${height}">
      </div>
      ${caption === undefined ? undefined : html`<figcaption>${caption}</figcaption>`}
    </figure>
  `;
}

/** The texts of attributes as `renderSvg` escapes them. */
function unescapeXml(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&amp;", "&");
}
