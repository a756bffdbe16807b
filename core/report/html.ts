/** A piece of HTML in which every text is escaped. */
export class Html {
  private constructor(readonly text: string) {}

  /** HTML that is this program's own. Nothing that was read from a file belongs here. */
  static trusted(text: string): Html {
    return new Html(text);
  }

  /** The pieces one after another. */
  static join(pieces: readonly Html[]): Html {
    return new Html(pieces.map(({ text }) => text).join(""));
  }
}

/** What stands between the pieces of a template: texts are escaped, HTML is not, nothing is left out. */
export type Part = Html | string | number | undefined | readonly Html[];

/**
 * HTML from a template. What is put in is escaped, in the text and in attributes in double quotes.
 *
 * @example
 * ```ts
 * import { equal } from "assert";
 * import { html } from "./html.ts";
 *
 * equal(html`<p title="${'"'}">${"<script>"}</p>`.text, '<p title="&quot;">&lt;script&gt;</p>');
 * ```
 */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return Html.trusted(strings.reduce((text, string, i) => text + textOf(parts[i - 1]) + string));
}

function textOf(part: Part): string {
  if (part === undefined) return "";
  if (part instanceof Html) return part.text;
  return typeof part === "string" || typeof part === "number" ? escapeHtml(String(part)) : Html.join(part).text;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

/** JSON for a script element: no text in it ends the element or begins a comment. */
export function jsonForScript(value: unknown): Html {
  return Html.trusted(JSON.stringify(value).replaceAll("<", "\\u003c"));
}
