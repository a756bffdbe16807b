import { createHash } from "node:crypto";
import type { Spec } from "vega";
import { FIGURE_CLASS, FONT, styleSheet } from "./theme.ts";

function escapeXml(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}

/** Rounds to a tenth of a pixel: contours shrink by half, and none can see it. */
function roundNumbers(text: string): string {
  return text.replace(/-?\d+\.\d+/g, (number) => String(Math.round(Number(number) * 10) / 10));
}

/**
 * A tag without what one figure need not say a hundred times: the font, which the root names, and accessibility
 * attributes of single marks, which one name for the whole picture replaces.
 */
function slim(tag: string): string {
  if (/^<path d="(?:M0,0h0v0h0Z)?" /.test(tag) && tag.endsWith("/>")) return "";
  return tag
    .replace(/ (?:role|aria-[a-z]+|pointer-events|font-family)="[^"]*"/g, "")
    .replace(/ class="(?:mark-|role-|background|foreground)[^"]*"/g, "")
    .replace(' opacity="1"', "")
    // The old name of the attribute needs a namespace that Vega does not declare.
    .replace(" xlink:href=", " href=")
    .replace(/ (d|transform)="([^"]*)"/g, (_, name: string, value: string) => ` ${name}="${roundNumbers(value)}"`);
}

/**
 * Renames clip paths, which Vega counts through the whole process: the same figure is then the same text, and two
 * figures on one page keep apart.
 */
function nameClips(body: string): string {
  const names = [...new Set([...body.matchAll(/<clipPath id="([^"]+)"/g)].map(([, name]) => name))];
  const rename = (prefix: string) =>
    body.replace(/ (id="|clip-path="url\(#)(clip\d+)/g, (all, before: string, name: string) => {
      const index = names.indexOf(name);
      return index < 0 ? all : ` ${before}${prefix}${index}`;
    });
  const hash = createHash("sha256").update(rename("clip")).digest("hex").slice(0, 8);
  return rename(`clip-${hash}-`);
}

/**
 * Renders a figure to SVG. Vega loads on the first call: it costs a quarter of a second, which no other command pays.
 *
 * The picture wears the light theme, and the dark one where the reader's system prefers so. The specification's
 * `description` becomes its title for screen readers.
 *
 * @param spec A Vega specification, usually from one of this folder's figures.
 * @returns A complete SVG document.
 * @throws {Error} If Vega refuses the specification or draws nothing.
 */
export async function renderSvg(spec: Spec): Promise<string> {
  const vega = await import("vega");
  // Vega logs what goes wrong in a transform and draws on without it; here that is an error.
  const errors: string[] = [];
  const logger = vega.logger(vega.Error, "error", (_method, _level, args) => errors.push([...args].join(" ")));
  const view = new vega.View(vega.parse(spec), { renderer: "none", logger });
  let svg: string;
  try {
    svg = await view.toSVG();
  } finally {
    view.finalize();
  }
  if (errors.length > 0) throw new Error(`Vega could not draw the figure: ${errors[0]}. Check the specification.`);
  const open = svg.match(/^<svg[^>]*>/)?.[0];
  const size = open?.match(/width="([\d.]+)" height="([\d.]+)"/);
  if (!open || !size) {
    throw new Error("Vega drew no SVG element. Check that the specification has a width and a height.");
  }
  const name = escapeXml(spec.description ?? "Figure");
  const [width, height] = [size[1], size[2]];
  const body = nameClips(svg.slice(open.length).replace(/<[^<>]*>/g, slim));
  return `<svg class="${FIGURE_CLASS}" xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}" font-family="${FONT}" role="img" aria-label="${name}">` +
    `<title>${name}</title><style>${styleSheet()}</style>${body}`;
}
